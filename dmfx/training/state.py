"""How far training has come: everything that it needs to go on as if it had never stopped."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import xarray as xr

from dmfx.models.vector_archive import COUPLING_DIMS
from dmfx.training.settings import Settings

__all__ = ["Training"]

#: Names of variables that hold arrays of training: the couplings after the last epoch, and moments of the optimiser.
LAST, MOMENT = "training_last_", "training_{}_"

#: The variable that says the rest.
NOTES = "training"


@dataclass(frozen=True, eq=False)
class Training:
    """State of a training, which `dmfx.VectorAttention.fit` goes on from with ``resume=True``.

    Attributes
    ----------
    settings
        Arguments that the result depends on.
    kind
        Form of the couplings.
    epochs
        Number of epochs done.
    best_epoch
        With early stopping: the epoch whose couplings the network has. None without.
    stopped
        Whether it was stopped early.
    last
        Arrays of the couplings after the last epoch; none where the network has these couplings itself.
    moments
        Arrays of the optimiser, by their own name and that of the array of the couplings.
    history
        What happened, by ``epoch``: see `dmfx.VectorAttention.fit`.
    """

    settings: Settings
    kind: str
    epochs: int
    best_epoch: int | None
    stopped: bool
    last: Mapping[str, np.ndarray]
    moments: Mapping[str, Mapping[str, np.ndarray]]
    history: xr.Dataset

    def to_dataset(self) -> xr.Dataset:
        """The state as variables: arrays by name, the history, and a text with all the rest."""
        dims = COUPLING_DIMS[self.kind]
        variables = {LAST + name: (dims[name], array) for name, array in self.last.items()}
        for moment, arrays in self.moments.items():
            variables |= {MOMENT.format(moment) + name: (dims[name], array) for name, array in arrays.items()}
        notes = {
            "settings": json.loads(self.settings.to_json()),
            "kind": self.kind,
            "epochs": self.epochs,
            "best_epoch": self.best_epoch,
            "stopped": self.stopped,
            "has_last": bool(self.last),
            "moments": list(self.moments),
        }
        return self.history.assign(variables).assign({NOTES: ((), json.dumps(notes))}).drop_attrs(deep=False)

    @classmethod
    def from_dataset(cls, ds: xr.Dataset) -> Training:
        """Rebuild a state from a Dataset that holds what `to_dataset` gave.

        Raises
        ------
        ValueError
            If a variable or a part of the history is missing.
        """
        if NOTES not in ds:
            raise ValueError(f"the Dataset lacks the variable {NOTES!r}, the state of the training of its network")
        notes = json.loads(str(ds[NOTES].to_numpy()))
        dims = COUPLING_DIMS[notes["kind"]]

        def arrays(prefix: str) -> dict[str, np.ndarray]:
            if missing := [prefix + name for name in dims if prefix + name not in ds]:
                raise ValueError(f"the Dataset lacks {', '.join(missing)}, of the state of the training of its network")
            return {name: ds[prefix + name].transpose(*dims[name]).to_numpy() for name in dims}

        history = ds[[name for name in ds.data_vars if ds[name].dims == ("epoch",)]].drop_attrs(deep=False).load()
        if history.sizes.get("epoch", 0) != notes["epochs"]:
            raise ValueError(
                f"the Dataset lacks a part of the history of {notes['epochs']} epochs, of the state of the training of "
                "its network: select epochs of net.history instead"
            )
        return cls(
            settings=Settings.from_mapping(notes["settings"]),
            kind=notes["kind"],
            epochs=notes["epochs"],
            best_epoch=notes["best_epoch"],
            stopped=notes["stopped"],
            last=arrays(LAST) if notes["has_last"] else {},
            moments={moment: arrays(MOMENT.format(moment)) for moment in notes["moments"]},
            history=history,
        )
