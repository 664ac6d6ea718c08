"""Names that doctests may use, and what is run first."""

import numpy as np
import pytest
import xarray as xr

import dmfx


@pytest.fixture(autouse=True)
def _doctest_names(doctest_namespace):
    doctest_namespace.update(dmfx=dmfx, np=np, xr=xr)


def pytest_collection_modifyitems(items):
    """Notebooks first: they are one file, and would keep one process busy when all others are done."""
    items.sort(key=lambda item: item.path.name != "test_notebooks.py")
