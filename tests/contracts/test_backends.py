"""What every backend holds to, whoever wrote it: those that are registered, and one that somebody has installed."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from sweeper import backends
from sweeper.aws.quotas import Quotas
from sweeper.config.check import findings
from sweeper.config.project import packaged_conf
from sweeper.config.schema import backend_schema
from sweeper.core import costs, paces, plan
from sweeper.core.chain import Chain
from sweeper.core.events import TrialStatus
from sweeper.core.model import PoolSettings, Usage
from sweeper.core.options import defaults_of
from sweeper.core.ports import Backend
from sweeper.core.results import SAVINGS, results
from sweeper.testing.twin import Script
from tests import own_backend
from tests.core.test_request import a_request
from tests.laws.outside import make_outside, make_sweep, scripts

NEEDED: Mapping[str, dict[str, Any]] = {
    "batch": {"queue": "q"},
    own_backend.NAME: {"training_plan_arn": own_backend.ARN},
}
"""The options that have no default, by kind."""
KEEP_ALIVE = "KeepAlivePeriodInSeconds"
PER = costs.Rate(0.01)


@pytest.fixture(params=[*backends.KINDS, own_backend.NAME])
def section(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The shortest `backend` section of each kind."""
    if request.param == own_backend.NAME:
        own_backend.install(monkeypatch, tmp_path / "installed")
    return {"kind": request.param, **NEEDED.get(request.param, {})}


@pytest.fixture
def backend(section: Mapping[str, Any]) -> Backend:
    """The backend of that section."""
    return backends.made(section)


def leaves(value: Any, path: tuple[str, ...] = ()) -> dict[tuple[str, ...], Any]:
    """Every value of a request by its path; a list is one value."""
    if not isinstance(value, dict):
        return {path: value}
    return {at: leaf for key, below in value.items() for at, leaf in leaves(below, (*path, key)).items()}


@pytest.mark.parametrize("keep_alive_s", [0, 300])
def test_a_shape_only_adds(backend: Backend, keep_alive_s: int) -> None:
    """The same for the same request, which is left as it was; nothing that was declared is changed or taken away."""
    request = a_request()
    before = copy.deepcopy(request)
    shaped = backend.shape(request, keep_alive_s)
    assert request == before and backend.shape(request, keep_alive_s) == shaped
    now = leaves(shaped)
    assert {path: now.get(path) for path in leaves(before)} == leaves(before)


def test_what_keeps_a_pool_says_so_and_sends_it(backend: Backend) -> None:
    """The keep-alive is in the request of what keeps a pool and in no other; without one nothing is kept."""
    sent = leaves(backend.shape(a_request(), 300))
    assert sent.get(("ResourceConfig", KEEP_ALIVE)) == (300 if backend.keeps_pool else None)
    assert ("ResourceConfig", KEEP_ALIVE) not in leaves(backend.shape(a_request(), 0))


@pytest.mark.parametrize(("declared", "seconds"), [(300, 300), ("auto", 3600), (0, 0)])
def test_the_worst_idle_bill_is_what_is_sent(backend: Backend, declared: int | str, seconds: int) -> None:
    """A plan, a budget and a check before the run count the keep-alive of what sends one, times the price."""
    sweep = make_sweep(backend=backend, pool=PoolSettings(keep_alive_s=declared))
    idle = plan.worst_idle(sweep, PER)
    sends = KEEP_ALIVE in backend.shape({"ResourceConfig": {}}, 300)["ResourceConfig"]
    assert (idle.seconds, idle.usd) == ((seconds, seconds * 0.01) if sends else (0, 0))
    warm = [way for way in plan.estimates(sweep, 3, paces.assumed(sweep, Chain()), PER) if "warm pool" in way.way]
    assert bool(warm) is sends


def test_a_pool_that_may_be_met_is_what_it_keeps(backend: Backend) -> None:
    """What keeps a pool meets pools; what goes through a queue, or has machines of another kind, shares none."""
    assert backend.finds_pool or not backend.keeps_pool
    assert not (backend.finds_pool and (backend.interrupts or backend.through))


def test_the_options_are_its_fields(section: dict[str, Any], backend: Backend) -> None:
    """Its section is valid, every default too; what it is made of says it again; another key is named."""
    schema = backend_schema(section["kind"])
    whole = {"kind": backend.kind, **asdict(backend)}  # type: ignore[call-overload]
    assert backend.kind == section["kind"]
    assert findings(section, schema) == findings(whole, schema) == []
    assert backends.made(whole) == backend
    assert {field.name for field in fields(backend)} <= schema["properties"].keys()  # type: ignore[arg-type]
    assert all(schema["properties"][field.name].get("description") for field in fields(backend))  # type: ignore[arg-type]
    assert [path for path, _ in findings({**section, "nope": 1}, schema)] == [("nope",)]
    assert [path for path, _ in findings({"kind": section["kind"]}, schema)] == [(k,) for k in section if k != "kind"]


def test_in_place_of_another_it_is_as_if_it_had_been_chosen(section: dict[str, Any]) -> None:
    """What is the default of one backend is no word to another, and what it lacks is named."""
    whole = {**section, **defaults_of(backends.kind_of(section["kind"]))}
    for kind in backends.KINDS.keys() - {section["kind"]}:
        needed = NEEDED.get(kind, {})
        found, missing = backends.instead(kind, whole)
        assert missing == list(needed)
        assert replace(found, **needed) == backends.made({"kind": kind, **needed})  # type: ignore[type-var]


def test_it_answers_what_it_is_asked(backend: Backend) -> None:
    """Room for a job at least, and a quota that an account has."""
    assert backend.capacity >= 1
    assert Quotas(1, 1, 1).granted(backend.usage) == 1


def test_what_is_sent_for_spot_machines_says_so(backend: Backend) -> None:
    """EnableManagedSpotTraining is sent by what may be interrupted and counts against that quota, by no other."""
    spot = bool(backend.shape(a_request(), 0).get("EnableManagedSpotTraining"))
    assert backend.interrupts is spot
    assert backend.usage is (Usage.SPOT if spot else Usage.TRAINING)


def test_a_table_has_savings_where_machines_may_be_taken(backend: Backend) -> None:
    """The column of savings is there for what may bill less than it trained, and for nothing else."""
    assert (SAVINGS in results(make_sweep(backend=backend), Chain()).columns) is backend.interrupts


def test_its_defaults_are_those_of_its_file(section: dict[str, Any]) -> None:
    """`backend=KIND` composes what the dataclass says; what has no default is asked for."""
    file = packaged_conf() / "backend" / f"{section['kind']}.yaml"
    if section["kind"] == own_backend.NAME:
        assert not file.exists()  # its user writes one, or says backend.kind
        return
    written = yaml.safe_load(file.read_text(encoding="utf-8"))
    asked_for = dict.fromkeys(NEEDED.get(section["kind"], {}), "???")
    options = {**asked_for, **defaults_of(backends.kind_of(section["kind"]))}
    assert written.get("backend", written) == {"kind": section["kind"], **options}


def test_a_sweep_on_it_ends_and_leaves_nothing(backend: Backend, tmp_path: Path) -> None:
    """Two trials through the runner and the real client: both complete, and what idled was closed."""
    if backend.through:
        pytest.skip("its jobs go through a queue: tests/laws/test_batch.py")
    sweep = make_sweep(backend=backend, pool=PoolSettings(keep_alive_s=300 if backend.keeps_pool else 0))
    here = make_outside(tmp_path, sweep=sweep, behaviour=scripts(x0=Script(10.0, metrics={"m": 1.0})))
    assert not here.run().unreleased
    assert here.statuses == [TrialStatus.COMPLETED] * 2
    assert all(job.closed for job in here.chain.jobs.values())
    assert here.whole()
