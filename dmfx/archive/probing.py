"""Whether HDF5 comes back from a file: a damaged one can send it round in circles that nothing in the process ends."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

__all__ = ["probe"]

#: More than any sound header takes, on any disk.
SECONDS = 60.0
_OPEN = """
import sys, netCDF4
with netCDF4.Dataset(sys.argv[1]) as file:
    for each in (file, *file.variables.values()):
        for name in each.ncattrs():
            each.getncattr(name)
"""


def probe(path: Path) -> str | None:
    """Open a NetCDF file and read its attributes in a process of its own.

    Returns
    -------
    str or None
        What is wrong if that process does not end or crashes; None if it ends, be it with an error, which is then found
        again here.
    """
    command = [sys.executable, "-P", "-c", _OPEN, str(path)]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return f"cannot be opened (HDF5 had not come to an end after {SECONDS:g} s)"
    except OSError:  # no other process is to be had
        return None
    return "cannot be opened (HDF5 crashes)" if done.returncode < 0 else None
