"""What each part of the network is for: tasks without it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import xarray as xr

from dmfx.experiments._networks import Model, Symmetric
from dmfx.experiments.denoising import denoising
from dmfx.experiments.free_running import free_running
from dmfx.experiments.masked_prediction import masked_prediction
from dmfx.validation import Problems
from dmfx.variables import ABLATIONS, describe_dataset
from dmfx.version import history_line

__all__ = ["ablations"]

TASKS = {task.__name__: task for task in (masked_prediction, denoising, free_running)}
#: Parameters that an ablation takes away.
ZERO = {"no_residual": "gamma", "uniform_attention": "beta"}


def ablations(task: Callable[..., xr.Dataset] | str, model: Model, *args: Any, **kwargs: Any) -> xr.Dataset:
    """Run a task with the whole network and without each of its parts.

    - ``none``: the whole network;
    - ``no_residual``: γ = 0, without the residual term of the spherical constraint;
    - ``uniform_attention``: β = 0, all tokens are listened to alike: the network without softmax;
    - ``symmetric``: couplings (J_ij + J_jiᵀ)/2, the part of them that has an energy that all tokens share.

    Parameters
    ----------
    task
        `dmfx.masked_prediction`, `dmfx.denoising` or `dmfx.free_running`, or the name of one.
    model
        As of the task.
    *args, **kwargs
        As of the task, ``beta`` and ``gamma`` among them.

    Returns
    -------
    xr.Dataset
        Lazy. What the task returns, with the dim ``ablation`` first. Labels of ``beta`` and ``gamma`` are those of the
        whole network. Where an ablation does not depend on them, it is computed once and stands at all labels.

    Raises
    ------
    ValueError, TypeError
        If the task is not one of the three, or its arguments are wrong.

    Notes
    -----
    The network is ablated as it is, not trained again: the fall of a task's score says what the trained network makes
    of a part, not how well a network could do that never had it. For that, fit such a network and compare.

    All ablations have the same starts, noise and masks. The couplings that are kept are those of the whole network.

    Examples
    --------
    >>> patterns = dmfx.tokens.random(3, n_tokens=20, n_components=8, seed=1)
    >>> net = dmfx.VectorAttention(dmfx.couplings.hebbian(patterns), patterns)
    >>> ds = dmfx.ablations("denoising", net, patterns, beta=1.0, gamma=[0.0, 1.0], noise=0.4, steps=1)
    >>> ds.target_overlap.isel(step=-1).mean(["beta", "seed", "initial"]).round(2).values
    array([[0.99, 0.87],
           [0.99, 0.99],
           [0.99, 0.87],
           [0.99, 0.87]])
    """
    problems = Problems("ablations")
    run = next((each for name, each in TASKS.items() if task is each or (isinstance(task, str) and task == name)), None)
    if run is None:
        problems.add("task", "dmfx." + ", dmfx.".join(TASKS) + " or one of these names", task)
    for name in ("beta", "gamma"):
        if name not in kwargs:
            problems.say(f"{name} is missing")
    problems.raise_any()
    whole = run(model, *args, **kwargs)
    swept = [name for name, array in whole.data_vars.items() if "beta" in array.dims]
    parts = [whole[swept]]
    for ablation in ABLATIONS[1:]:
        if ablation in ZERO:
            parts.append(_without(ZERO[ablation], whole, run, model, args, kwargs)[swept])
        else:
            parts.append(run(Symmetric(model), *args, **kwargs)[swept])
    joined = xr.concat(parts, "ablation", data_vars="all", coords="minimal", compat="override", join="override")
    joined = joined.assign_coords(ablation=np.array(ABLATIONS))
    ds = whole.drop_vars(swept).merge(joined, join="exact", compat="override")
    ds.attrs = whole.attrs | {
        "history": f"{whole.attrs['history']}\n{history_line('ablations', {'task': run.__name__})}",
    }
    return describe_dataset(ds[list(whole.data_vars)])


def _without(
    parameter: str, whole: xr.Dataset, run: Callable[..., xr.Dataset], model: Model, args: tuple, kwargs: dict[str, Any]
) -> xr.Dataset:
    """The task with a parameter at 0, at all labels that the parameter has in the whole network."""
    kwargs = kwargs | {parameter: 0.0}
    if isinstance(kwargs.get("chunks"), Mapping):
        kwargs["chunks"] = {dim: -1 if dim == parameter else size for dim, size in kwargs["chunks"].items()}
    part = run(model, *args, **kwargs).isel({parameter: 0}, drop=True)
    labels = np.asarray(whole[parameter])
    arrays = {
        name: array.expand_dims({parameter: labels}).transpose(*whole[name].dims)
        for name, array in part.data_vars.items()
        if parameter in whole[name].dims
    }
    return xr.Dataset(arrays)
