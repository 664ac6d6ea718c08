"""What is simulated: frozen parameter objects that check themselves."""

from __future__ import annotations

import json
from collections.abc import Mapping

import xarray as xr

from dmfx.models.self_attention import SelfAttention
from dmfx.models.vector_attention import VectorAttention
from dmfx.validation import Problems

__all__ = ["SelfAttention", "VectorAttention", "model_from_dataset", "model_from_json", "self_attention_of"]

_MODELS = {"SelfAttention": SelfAttention, "VectorAttention": VectorAttention}


def model_from_json(text: str) -> SelfAttention:
    """Rebuild a model of self-attention from the JSON that its ``to_json`` wrote.

    Raises
    ------
    ValueError
        If the text is not JSON, or names another model.
    """
    spec = _spec(text)
    if spec["model"] == "VectorAttention":
        raise ValueError("it describes a VectorAttention, where a SelfAttention is needed")
    return SelfAttention.from_spec(spec)


def self_attention_of(problems: Problems, argument: str, ds: xr.Dataset) -> SelfAttention | None:
    """The model of a Dataset that must be of self-attention, or None when a problem was recorded."""
    try:
        spec = _spec(ds.attrs["dmfx_model"])
        if spec["model"] == "SelfAttention":
            return SelfAttention.from_spec(spec)
    except ValueError as error:
        problems.say(f"{argument}: its attribute dmfx_model cannot be read: {error}")
        return None
    expected = "a run of dmfx.SelfAttention, which this analysis is made for"
    problems.say(f"{argument} must be {expected}, not of dmfx.{spec['model']}")
    return None


def model_from_dataset(ds: xr.Dataset) -> SelfAttention | VectorAttention:
    """Rebuild the model that a Dataset describes in its attribute ``dmfx_model``.

    Raises
    ------
    ValueError
        If it cannot be read, or arrays that belong to it are missing.
    """
    model = _MODELS[_spec(ds.attrs["dmfx_model"])["model"]]
    return SelfAttention.from_spec(_spec(ds.attrs["dmfx_model"])) if model is SelfAttention else model.from_dataset(ds)


def _spec(text: str) -> Mapping[str, object]:
    try:
        spec = json.loads(text)
    except (TypeError, ValueError) as error:
        raise ValueError(f"the description of the model is not JSON: {error}") from error
    name = spec.get("model") if isinstance(spec, Mapping) else None
    if name not in _MODELS:
        raise ValueError(f"unknown model {name!r}: this version of dmfx knows {', '.join(_MODELS)}")
    return spec
