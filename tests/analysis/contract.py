"""What holds for every analysis of trajectories, whatever it computes."""

import dask
import dask.array as da
import pytest
import xarray as xr

__all__ = ["chunks_do_not_matter", "memory_is_only_read", "nothing_is_computed"]


def chunks_do_not_matter(ds, analysis, chunks):
    """The same bits for any chunks, lazily, with the types that were promised."""
    lazy = analysis(ds.chunk(chunks))
    assert all(lazy[name].chunks is not None for name in lazy.data_vars)
    for name, array in lazy.variables.items():
        assert array.dtype == lazy[name].compute().dtype, name
    xr.testing.assert_identical(lazy.compute(), analysis(ds))


def nothing_is_computed(ds, analysis):
    """Calling it computes nothing, and names the same tasks each time."""
    poisoned = ds.chunk(step=16).map(lambda x: x.copy(data=da.map_blocks(_raise, x.data, meta=x.data._meta)))
    with dask.config.set(scheduler=_raise):
        first, second = analysis(poisoned), analysis(poisoned)
    assert first.chunks
    for name in first.data_vars:
        assert first[name].data.name == second[name].data.name, "keys must depend on the arguments alone"
    with pytest.raises(AssertionError, match="computed"):
        first.compute()


def memory_is_only_read(ds, analysis):
    """Arrays that cannot be written give the same."""
    frozen = ds.copy(deep=True)
    for array in frozen.values():
        array.values.flags.writeable = False
    xr.testing.assert_identical(analysis(frozen), analysis(ds))


def _raise(*args, **kwargs):
    raise AssertionError("computed")
