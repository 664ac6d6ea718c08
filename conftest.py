"""Names that doctests may use."""

import numpy as np
import pytest
import xarray as xr

import dmfx


@pytest.fixture(autouse=True)
def _doctest_names(doctest_namespace):
    doctest_namespace.update(dmfx=dmfx, np=np, xr=xr)
