"""What a sweep leaves on the disk: how far it is, and whether two stores are the same."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

__all__ = ["boxes_done", "differences", "leftovers"]

RECORDS = "dmfx_records"
SIDE = f"{RECORDS}/sweep"
#: Files that tell when and where a store was computed, and by whom.
OF_THE_RUN = {f"{SIDE}/sessions.jsonl", f"{SIDE}/lock"}
#: Attributes of the whole that do; two are checksums of all attributes, which `dmfx.check` compares.
ATTRS_OF_THE_RUN = {"dmfx_id", "dmfx_command", "dmfx_header", "dmfx_seal"}
TIME = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(Z|\+00:00) ", re.MULTILINE)


def boxes_done(store: Path) -> int:
    """Number of boxes of the first part that have a record."""
    try:
        names = os.listdir(store / RECORDS / "c")
    except FileNotFoundError:
        return 0
    # One record is of what no box writes, and there from the start.
    return max(0, sum(name.isdigit() for name in names) - 1)


def differences(store: Path, other: Path) -> list[str]:
    """What two stores do not have in common, bit for bit, but for what tells when and where they were computed."""
    found = []
    files, others = (_files(each) for each in (store, other))
    found += [f"only in {store.name}: {name}" for name in sorted(files.keys() - others.keys())]
    found += [f"only in {other.name}: {name}" for name in sorted(others.keys() - files.keys())]
    for name in sorted(files.keys() & others.keys()):
        if name in OF_THE_RUN:
            continue
        one, two = files[name].read_bytes(), others[name].read_bytes()
        if name == "zarr.json" or name.endswith("/zarr.json"):
            one, two = _metadata(one), _metadata(two)
        if one != two:
            found.append(f"differs: {name}")
    return found


def leftovers(store: Path) -> list[str]:
    """Files of runs that should be gone when a sweep has finished."""
    allowed = OF_THE_RUN
    side = [name for name in _files(store) if name.startswith(SIDE + "/") and name not in allowed]
    return sorted(side + [name for name in _files(store) if name.endswith((".tmp", ".partial")) and name not in side])


def _files(store: Path) -> dict[str, Path]:
    return {str(file.relative_to(store)): file for file in store.rglob("*") if file.is_file()}


def _metadata(text: bytes) -> str:
    """Metadata of Zarr without the attributes that tell when and where."""
    read = json.loads(text)
    attrs = {key: value for key, value in read["attributes"].items() if key not in ATTRS_OF_THE_RUN}
    if "history" in attrs:
        attrs["history"] = TIME.sub("", attrs["history"])
    return json.dumps({**read, "attributes": attrs}, sort_keys=True)
