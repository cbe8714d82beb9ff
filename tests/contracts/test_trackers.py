"""What every tracker holds to, whoever wrote it: those that are registered, and one that somebody has installed."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields, replace
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any, ClassVar

import pytest

from sweeper import tracking
from sweeper.config.check import findings
from sweeper.config.schema import trackers_schema
from sweeper.core import events as ev
from sweeper.core.chain import Chain, Job, fold
from sweeper.core.results import results
from sweeper.core.tracked import Notebook, SweepEnded, Tracked, Tracker, TrialEnded, sweep_ended
from sweeper.errors import JournalWriteError, UsageError
from sweeper.record.atomic import write_atomically
from sweeper.record.journal import SqliteJournal
from sweeper.record.points import are_stored
from sweeper.run.runner import Runner
from sweeper.simulation.drawn import SCOPE
from sweeper.simulation.simulation import OWNER
from sweeper.testing.scripts import Script
from sweeper.tracking.telling import Telling
from tests import own_tracker
from tests.contracts import read_back
from tests.laws.outside import Outside, make_outside, make_sweep, scripts

SECRET = "s3cr3t-of-a-tracker"
KINDS = [*tracking.KINDS, own_tracker.NAME]
QUICK = Script(5.0, metrics={"m": 0.25})
OPTUNA = {"optuna": {"count": 3, "of": {"hyperparameters.x": {"int": [0, 9]}}}}


class Server:
    """A real HTTP server that remembers what was posted to it."""

    def __init__(self, answer: int = 200) -> None:
        self.posted: list[dict[str, Any]] = []
        self.answer = answer
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                if outer.answer == 200:
                    outer.posted.append(body)
                self.send_response(outer.answer)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/{SECRET}"
        Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        """No more."""
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def server() -> Iterator[Server]:
    """A server."""
    made = Server()
    yield made
    made.close()


def lines(file: Path) -> list[str]:
    """The lines of a file; none when it is not there."""
    return file.read_text().splitlines() if file.exists() else []


def about(message: Mapping[str, Any]) -> str:
    """The job that a message tells of, or its event."""
    return str(message["trial"]["job"] if "trial" in message else message["event"])


def in_mlflow(uri: str) -> list[str]:
    """The jobs whose runs are in a store of MLflow, and `ended` when the sweep's run has ended."""
    runs = [run.values for run in read_back.of_mlflow(uri)]
    ends = ["ended" for run in runs if "sweeper.why" in run]
    return [*(run["sweeper.job"] for run in runs if "sweeper.job" in run), *ends]


def studied(folder: Path) -> list[str]:
    """The jobs in the study that a sweep has left."""
    optuna = pytest.importorskip("optuna")
    file = folder / "optuna.journal"
    if not file.exists():
        return []
    storage = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(file)))
    study = optuna.load_study(study_name="laws", storage=storage)
    return [*(str(trial.user_attrs["job"]) for trial in study.trials), "ended"]


@dataclass
class Kind:
    """One kind: its shortest options, and what it has heard: jobs, and `ended`. `failures`: it tells of no others."""

    options: Mapping[str, Any]
    heard: Callable[[], list[str]]
    failures: bool
    ends: bool = True
    """Does it tell of the end?"""


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: Server) -> Kind:
    """Each kind."""
    file = tmp_path / "heard.txt"
    monkeypatch.chdir(tmp_path)  # where a store of MLflow that no server is in front of keeps its artifacts
    if request.param == own_tracker.NAME:
        own_tracker.install(monkeypatch, tmp_path / "installed")
    kinds = {
        "webhook": Kind({"url": server.url}, lambda: list(map(about, server.posted)), True),
        "command": Kind(
            {"run": f"sh -c 'cat >> {file}; echo >> {file}'"}, lambda: [about(json.loads(x)) for x in lines(file)], True
        ),
        "mlflow": Kind({"uri": f"sqlite:///{tmp_path}/m.db"}, lambda: in_mlflow(f"sqlite:///{tmp_path}/m.db"), False),
        "wandb": Kind(
            {},
            lambda: [run.values["sweeper.job"] for run in read_back.of_wandb(tmp_path / "laws/runs/laws")],
            failures=False,
            ends=False,
        ),
        "tensorboard": Kind(
            {}, lambda: [run.values["job"] for run in read_back.of_tensorboard(tmp_path)], failures=False, ends=False
        ),
        "optuna_journal": Kind({}, lambda: studied(tmp_path / "laws/runs/laws"), False),
        own_tracker.NAME: Kind(
            {"file": str(file), "token": SECRET}, lambda: [x.replace(" in process 1", "") for x in lines(file)], False
        ),
    }
    found = kinds[request.param]
    found.options = {"kind": request.param, **found.options}
    return found


def tracker_of(kind: Kind) -> Tracker:
    """The tracker of these options."""
    options = {key: value for key, value in kind.options.items() if key != "kind"}
    (made,) = tracking.made({"trackers": {kind.options["kind"]: options}})
    return made


class Told:
    """A sweep of three trials, the second of which fails, and whoever is told of it."""

    def __init__(self, folder: Path, *trackers: Tracker) -> None:
        self.folder, self.trackers = folder / "laws/runs/laws", trackers
        sweep = make_sweep(3, trackers=trackers, composed={"sweep": OPTUNA})
        self.here: Outside = make_outside(
            self.folder,
            sweep=sweep,
            behaviour=scripts(x0=QUICK, x1=Script(5.0, exit_code=1, failure="ValueError: no"), x2=QUICK),
        )
        self.troubles: list[str] = []

    def telling(self) -> Telling:
        """What a process tells with."""
        sweep = self.here.sweep

        def see(notes: Notebook) -> Tracked:
            return Tracked("laws", self.folder, sweep.composed, sweep.objective, sweep.trials, notes)

        return Telling(self.trackers, self.folder, see, sweep.rate)

    def run(self, dies: type[Any] | None = None) -> Chain:
        """One process: to its end, or killed after an event of this kind."""
        telling = self.telling()
        telling.begin(self.here.chain if self.here.path.exists() else fold([]))
        self.here.keep, self.here.kept = telling.after(self.keep), lambda job: are_stored(self.folder, job.intent.trial)
        if dies:
            self.here.dies(after=dies)
            telling.end(fold([]), None)  # its threads would die with it: they end before the next process begins
        else:
            telling.end(self.here.run().chain, self.ended)
            self.troubles = telling.troubles()
        return self.here.chain

    def keep(self, job: Job) -> Iterator[None]:
        """Stores two values of a metric of each job."""
        path = self.folder / "trials" / job.intent.trial / "metrics.csv"
        write_atomically(path, "time,metric,value\n2030-01-01T00:00:00Z,m,0.5\n2030-01-01T00:00:01Z,m,0.25\n")
        yield

    @property
    def failed(self) -> str:
        """The job that has failed."""
        (found,) = (job.name for job in self.here.chain.outcomes if job.outcome and job.outcome.failure)
        return found

    @property
    def ended(self) -> SweepEnded:
        """The end of the newest process."""
        chain, sweep = self.here.chain, self.here.sweep
        return sweep_ended(chain, results(sweep, chain), None)


def expected(kind: Kind, chain: Chain) -> list[str]:
    """What it has heard once it was told everything."""
    outcomes = [job for job in chain.outcomes if job.outcome]
    jobs = [job.name for job in outcomes if job.outcome.trial_status == "failed" or not kind.failures]  # type: ignore[union-attr]
    return [*jobs, *(["ended"] if kind.ends else [])]


def test_the_options_are_its_fields(kind: Kind) -> None:
    """Its section is valid, every default too; what it is made of says it again; another key is named."""
    name = kind.options["kind"]
    section = {key: value for key, value in kind.options.items() if key != "kind"}
    schema, made = trackers_schema([name]), tracker_of(kind)
    whole = asdict(made)  # type: ignore[call-overload]
    assert made.kind == name
    assert findings({name: section}, schema) == findings({name: whole}, schema) == findings({name: None}, schema) == []
    assert tracking.made({"trackers": {name: whole}}) == (made,) and not tracking.made({"trackers": {name: None}})
    assert {*made.secrets} <= {field.name for field in fields(made)}  # type: ignore[arg-type]
    options = schema["properties"][name]["anyOf"][0]["properties"]
    assert all(options[field.name].get("description") for field in fields(made))  # type: ignore[arg-type]
    assert [path for path, _ in findings({name: {**section, "nope": 1}}, schema)] == [(name, "nope")]
    assert made.patience_s > 0


def test_it_is_told_each_trial_once_whoever_is_killed(kind: Kind, tmp_path: Path) -> None:
    """Two processes are killed, one goes on to the end and one finds nothing to do: each fact is told once."""
    if install := tracking.missing(kind.options["kind"]):
        pytest.skip(f"needs {install}: make test-trackers installs it and runs this")
    told = Told(tmp_path, tracker_of(kind))
    told.run(dies=ev.Outcome)
    told.run(dies=ev.Finished)
    chain = told.run()
    assert told.troubles == []
    heard = kind.heard()
    assert sorted(set(heard), key=heard.index) == heard
    assert sorted(x.split(" in ")[0] for x in heard) == sorted(expected(kind, chain))
    before = [x for x in heard if "ended" not in x]
    told.run()
    assert [x for x in kind.heard() if "ended" not in x] == before
    assert told.here.whole()


def test_what_could_not_be_told_is_told_by_the_next(tmp_path: Path, server: Server) -> None:
    """A server that takes nothing is said once, without its address; it is told everything by the process after."""
    server.answer = 500
    (webhook,) = tracking.made({"trackers": {"webhook": {"url": server.url}}})
    told = Told(tmp_path, webhook)
    chain = told.run()
    (trouble,) = told.troubles
    assert trouble.startswith("warning: the tracker webhook could not be told: HTTPError: HTTP Error 500")
    assert SECRET not in trouble and server.posted == []
    server.answer = 200
    telling = told.telling()
    telling.begin(chain)
    telling.end(chain, told.ended)
    assert telling.troubles() == []
    assert [about(message) for message in server.posted] == [told.failed, "ended"]
    assert [message["text"] for message in server.posted] == [
        "laws: x=1 failed: algorithm_error: ValueError: no",
        "laws has ended (every trial is done): 2 completed, 1 failed",
    ]


@dataclass(frozen=True)
class Broken:
    """A tracker that raises at every call, in the place of another."""

    of: Tracker
    secrets: ClassVar[tuple[str, ...]] = ()
    patience_s: ClassVar[float] = 20.0

    @property
    def kind(self) -> str:
        return self.of.kind

    @property
    def repeats(self) -> bool:
        return self.of.repeats

    @classmethod
    def unasked(cls, config: Mapping[str, Any]) -> bool:
        return False

    def started(self, sweep: Tracked) -> None:
        raise RuntimeError("it broke")

    def trial(self, sweep: Tracked, ended: TrialEnded) -> None:
        raise RuntimeError("it broke")

    def ended(self, sweep: Tracked, ended: SweepEnded) -> None:
        raise RuntimeError("it broke")


@dataclass(frozen=True)
class Probe(Broken):
    """A tracker that remembers what it was told, or does what a test wants."""

    does: Callable[[Any], None] = lambda fact: None
    kind: ClassVar[str] = "probe"  # type: ignore[misc]
    repeats: bool = False  # type: ignore[misc]
    patience_s: float = 20.0  # type: ignore[misc]

    def started(self, sweep: Tracked) -> None:
        """Nothing."""

    def trial(self, sweep: Tracked, ended: TrialEnded) -> None:
        self.does(ended)

    def ended(self, sweep: Tracked, ended: SweepEnded) -> None:
        self.does(ended)


PROBE = Probe(tracking.OptunaJournal())


def test_a_tracker_that_breaks_changes_nothing(tmp_path: Path) -> None:
    """The events of a sweep are those that it would have without the tracker; every other tracker is told."""
    facts: list[Any] = []
    alone, broken = Told(tmp_path / "a"), Told(tmp_path / "b", Broken(PROBE), replace(PROBE, does=facts.append))
    alone.run()
    broken.run()
    assert broken.here.journal == alone.here.journal
    assert [type(fact).__name__ for fact in facts] == ["TrialEnded"] * 3 + ["SweepEnded"]


def test_a_tracker_that_hangs_delays_nothing(tmp_path: Path) -> None:
    """The chain ends and its pool is closed while the tracker does not come back; the end waits as long as it asks."""
    hangs, ends = Event(), Event()

    def hang(fact: Any) -> None:
        hangs.set()
        ends.wait(60)

    told = Told(tmp_path, replace(PROBE, does=hang, patience_s=0.01))
    telling = told.telling()
    telling.begin(fold([]))
    told.here.keep = telling.after(told.keep)
    ending = told.here.run()
    assert not ending.unreleased and told.here.whole()
    assert hangs.wait(60)
    telling.end(ending.chain, told.ended)
    assert [line for line in telling.troubles() if "no answer within 0.01 s" in line]
    assert telling.troubles() == []  # said once
    ends.set()


def test_the_end_says_for_whom_it_waits(tmp_path: Path) -> None:
    """Where that takes longer than a moment; it waits no longer than it must."""
    goes_on, said = Event(), list[str]()

    def say(line: str) -> None:
        said.append(line)
        goes_on.set()

    told = Told(tmp_path, replace(PROBE, does=lambda fact: goes_on.wait(60), patience_s=60.0))
    telling = told.telling()
    telling.begin(told.here.run().chain)
    telling.end(told.here.chain, told.ended, say)
    assert (said, telling.troubles()) == (["waiting for the tracker probe, 60 s at most"], [])


@pytest.mark.parametrize(("repeats", "times"), [(False, 1), (True, 2)])
def test_what_a_killed_process_was_telling_is_told_again_to_who_can_bear_it(
    tmp_path: Path, repeats: bool, times: int
) -> None:
    """SIGKILL while it is being told: not told again to a tracker that would show it twice."""
    file = tmp_path / "heard.txt"

    def hear(fact: Any, dies: bool = False) -> None:
        with file.open("a") as heard:
            heard.write(f"{fact.fact}\n")
        if dies:
            os.kill(os.getpid(), signal.SIGKILL)

    told = Told(tmp_path, replace(PROBE, does=partial(hear, dies=True), repeats=repeats))
    chain = told.here.run().chain
    child = os.fork()
    if not child:
        try:
            telling = told.telling()
            telling.begin(chain)
            telling.end(chain, None)
        finally:
            os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    told.trackers = (replace(PROBE, does=hear, repeats=repeats),)
    telling = told.telling()
    telling.begin(chain)
    telling.end(chain, told.ended)
    facts = lines(file)
    assert len(facts) == 3 + times and len(set(facts)) == 4
    assert facts.count(facts[0]) == times


def test_a_trial_is_told_with_all_that_a_tracker_shows_of_it(tmp_path: Path) -> None:
    """Values, result, times, cost and every value of its metrics by step; what ended before the tracker is late.

    The first one's log is not stored when its process dies: it is told when the next one has stored it.
    """
    facts: list[Any] = []
    heard: list[int] = []

    def hear(fact: Any) -> None:
        facts.append(fact)
        heard.append(len(list(fact.points())) if isinstance(fact, TrialEnded) else 0)

    told = Told(tmp_path)
    told.run(dies=ev.Outcome)
    told.trackers = (replace(PROBE, does=hear),)
    chain = told.run()
    trials, end = facts[:-1], facts[-1]
    assert [fact.late for fact in trials] == [True, False, False] and heard == [2, 2, 2, 0]
    assert [fact.status.value for fact in trials] == ["completed", "failed", "completed"]
    assert [fact.values for fact in trials] == [job.intent.values for job in chain.outcomes]
    points = list(trials[-1].points())
    assert [(point.metric, point.step, point.value) for point in points] == [("m", 1, 0.5), ("m", 2, 0.25)]
    assert (end.counts, end.unreleased) == ({"completed": 2, "failed": 1}, ())


def test_a_chain_that_breaks_off_is_told_as_an_end(tmp_path: Path) -> None:
    """A full disk ends it: its pool is closed, the tracker is told why, and the error goes on."""
    facts: list[Any] = []
    told = Told(tmp_path, replace(PROBE, does=facts.append))

    def full(events: Any) -> None:
        if any(isinstance(event, ev.Outcome) for event in events):
            raise JournalWriteError("journal.db: the disk is full")

    here, telling, said = told.here, told.telling(), list[str]()
    here.before_append = full
    journal = SqliteJournal(here.path, here.clock.now)
    runner = Runner(here.sweep, SCOPE, OWNER, here._world(journal))
    telling.begin(runner.chain)
    with pytest.raises(JournalWriteError), telling.of_a_break(here.sweep, runner.chain, said.append):
        runner.run()
    journal.close()
    assert (facts[-1].why, facts[-1].unreleased) == ("JournalWriteError: journal.db: the disk is full", ())
    assert said == [] and here.nothing_is_open()


def test_without_its_file_nothing_is_told(tmp_path: Path, server: Server) -> None:
    """What was told is not known then: nothing is told twice for that, the sweep goes on, and it is said once."""
    (webhook,) = tracking.made({"trackers": {"webhook": {"url": server.url}}})
    told = Told(tmp_path, webhook)
    write_atomically(told.folder / "trackers.db", "no database " * 100)
    told.run()
    (trouble,) = told.troubles
    assert "trackers.db: file is not a database" in trouble
    assert server.posted == [] and told.here.whole()


def test_one_that_cannot_be_used_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kind that there is not, a package that breaks or does not answer, options that no tracker can be made of."""
    with pytest.raises(UsageError, match="'nope' is not one of webhook, command, optuna_journal"):
        tracking.made({"trackers": {"nope": {}}})
    with pytest.raises(UsageError, match=r"trackers\.command cannot be made of run: No closing quotation"):
        tracking.made({"trackers": {"command": {"run": "a ' b"}}})
    own_tracker.install(monkeypatch, tmp_path, text="class Listener:\n    kind = 'listener'\n", module="half_listener")
    with pytest.raises(UsageError, match="half_listener:Listener is no tracker: it does not say secrets, repeats"):
        tracking.kind_of(own_tracker.NAME)
