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
    """Two for each core: some of their time tests wait for other processes, and each worker imports all of them."""
    return 2 * (os.cpu_count() or 1)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Every worker begins with its share of the tests that start processes: forks of a small process are cheap."""
    workers = getattr(config, "workerinput", {"workercount": 1})["workercount"]
    starting = [item for item in items if "end_to_end" in item.path.parts]
    computing = [item for item in items if "end_to_end" not in item.path.parts]
    share = -(-len(computing) // workers)
    items.clear()
    for worker in range(workers):
        items += [*starting[worker::workers], *computing[worker * share : (worker + 1) * share]]


def pytest_collection_finish() -> None:
    """What is imported now stays: no collection looks through it again, here or in a fork."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
