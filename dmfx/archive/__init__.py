"""Archives: datasets kept as NetCDF or Zarr, with nothing lost and nothing damaged unnoticed.

What is on disk, in either format, are plain files that other programs read: variables with CF attributes.
What NetCDF cannot hold (attributes that are not flat strings or numbers, complex numbers, Booleans, chunking)
is described by two JSON strings, ``dmfx_attrs`` on every object that needs it and ``dmfx_archive`` on the
whole. ``dmfx_checksums`` holds the CRC-32 of every stored chunk, and ``dmfx_seal``, written last, that of
everything else.
"""

from dmfx.archive.attributes import decode_attrs, encode_attrs
from dmfx.archive.checking import Damage, check
from dmfx.archive.errors import ArchiveError
from dmfx.archive.opening import open
from dmfx.archive.saving import save

__all__ = ["ArchiveError", "Damage", "check", "decode_attrs", "encode_attrs", "open", "save"]
