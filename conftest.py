"""Names that doctests may use, what is run first, and failures said at once."""

import collections
import os

import numpy as np
import pytest
import xarray as xr

import dmfx


@pytest.fixture(autouse=True)
def _doctest_names(doctest_namespace):
    doctest_namespace.update(dmfx=dmfx, np=np, xr=xr)


def pytest_collection_modifyitems(items):
    """Files with the most slow tests first: one that comes last keeps a process busy when all others are done."""
    slow = collections.Counter(item.path for item in items if item.get_closest_marker("slow"))
    items.sort(key=lambda item: -slow[item.path])


def pytest_xdist_auto_num_workers(config):
    """One process more than there are processors: tests of clusters mostly wait."""
    return (os.cpu_count() or 1) + 1


def pytest_configure(config):
    """Have failures said by the process that prints."""
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Failures(config), "failures-at-once")


class Failures:
    """Name each failed test when it fails, so that a run that is stopped from outside has said what failed."""

    def __init__(self, config):
        self.config = config

    def pytest_runtest_logreport(self, report):
        """Name a failure and, in a line, its reason."""
        if report.failed:
            crash = getattr(report.longrepr, "reprcrash", None)
            reason = str(getattr(crash, "message", "")).strip().partition("\n")[0][:160]
            terminal = self.config.pluginmanager.get_plugin("terminalreporter")
            terminal.ensure_newline()
            terminal.write_line(f"{report.when} of {report.nodeid} failed after {report.duration:.0f} s: {reason}")
