"""Settings for all tests."""

import gc
import os

import pytest
from hypothesis import settings

# A busy machine is slow, not wrong: no example fails by the clock.
settings.register_profile("sweeper", deadline=None)
settings.load_profile("sweeper")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Two for each core: half of the tests wait for other processes."""
    return 2 * (os.cpu_count() or 1)


def pytest_collection_finish() -> None:
    """What is imported now stays: no collection looks through it again, here or in a fork."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
