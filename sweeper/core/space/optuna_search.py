"""Optuna proposes the next trial from what the finished ones have shown (ask and tell), replayed from the journal.

Nothing of it is stored: the same chain, the same seed and the same Optuna give the same proposals, after a crash as
without one. Optuna is imported when a search begins, not before.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from sweeper.core import events as ev
from sweeper.core.chain import Chain, TrialHistory
from sweeper.core.events import TrialStatus
from sweeper.core.identity import Base, canonical, text_of
from sweeper.core.model import Objective, Trial
from sweeper.core.options import Bounds, option
from sweeper.core.ports import Begun, Domains, LeftOut, Presence, Proposer, Search
from sweeper.core.search import Proposal
from sweeper.core.space.applying import Conditions, RuleFailedError
from sweeper.core.space.domains import CHOICE, Scale, numbers
from sweeper.core.space.draws import Domain
from sweeper.core.space.names import shorten, show

if TYPE_CHECKING:
    import optuna

SAMPLERS = {
    "tpe": "TPESampler",
    "gp": "GPSampler",
    "cmaes": "CmaEsSampler",
    "qmc": "QMCSampler",
    "random": "RandomSampler",
}
"""The names in an experiment file, and Optuna's."""
ALWAYS = Conditions()
TAUGHT = ("tpe", "gp")
"""Those that learn from any trial."""
MOST_REPEATS = 100
"""So many proposals in a row that are known already or left out mean that there is nothing new to propose."""


@dataclass(frozen=True, kw_only=True)
class Optuna(Proposer):
    """Optuna proposes each trial from what the finished ones have shown. Stands alone."""

    name: ClassVar[str] = "optuna"

    count: int = option("How many trials.", low=1, high=100_000)
    sampler: str = option("How it searches.", default="tpe", choices=tuple(SAMPLERS))
    seed: int | None = option("Other proposals for another seed.", default=0)
    startup: int | None = option("So many trials are drawn at random before the sampler begins.", default=None, low=0)
    warm_start: Annotated[Sequence[Annotated[str, Bounds(low=1)]], Bounds(low=1, high=100)] | None = option(
        "Names of other sweeps: what their trials have come to is known from the beginning, as far as they fit.",
        default=None,
        says="must be a list of names of sweeps",
    )
    of: Mapping[str, Domain] = option("Dotted keys, and what is proposed for each.", low=1)

    @property
    def learns_from(self) -> Sequence[str]:
        """The sweeps of `warm_start`."""
        return tuple(dict.fromkeys(self.warm_start or ()))

    @property
    def cannot_learn(self) -> str:
        """A sampler that makes nothing of trials that it has not proposed."""
        if not self.warm_start or self.sampler in TAUGHT:
            return ""
        return f"{self.sampler} makes nothing of trials that it has not proposed: take {' or '.join(TAUGHT)}"

    @classmethod
    def refused(cls, domain: str, arguments: Sequence[Any]) -> str:
        """What Optuna has no distribution for."""
        return unproposable(domain, arguments)

    def settings(self, domains: Domains) -> Settings:
        """The same with its domains read."""
        return Settings(self.count, self.sampler, self.seed or 0, self.startup, domains)

    def missing(self, domains: Domains, objective: Objective) -> str:
        """Optuna itself, or what this sampler needs."""
        try:
            study(self.settings(domains), objective)
        except ImportError as error:
            return "sweeper[optuna]" if error.name in (None, "optuna") else str(error.name)
        return ""

    def begun(self, domains: Domains, objective: Objective, base: Base, left_out: LeftOut, presence: Presence) -> Begun:
        """Each search has learnt what the chain knows before it is asked; what a chain does not know was never sent."""
        trials = OptunaTrials(self.count, tuple(domains), base, left_out)

        def search(chain: Chain) -> Search:
            made = OptunaSearch(self.settings(domains), trials, objective, presence)
            made.learn(chain)
            return made

        return trials, search


@dataclass(frozen=True)
class Settings:
    """What an experiment says under `sweep.optuna`, its domains read."""

    count: int
    sampler: str
    seed: int
    startup: int | None
    of: Domains


class OptunaTrials:
    """The trials that have been proposed so far. Those to come have a place, but no values yet."""

    def __init__(
        self, count: int, keys: Sequence[str], base: Base, left_out: Callable[[Mapping[str, Any]], bool] | None = None
    ) -> None:
        self.keys = tuple(keys)
        self.left_out = left_out or (lambda values: False)
        """Whether a rule of the experiment leaves out a trial with these values."""
        self.known: list[Trial] = []
        self._places: dict[str, int] = {}  # where in it a trial was last seen
        self._count, self._base, self._short = count, base, shorten(list(keys))

    def __len__(self) -> int:
        return max(self._count, len(self.known))

    def __getitem__(self, index: int, /) -> Trial:
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        index %= len(self)
        return self.known[index] if index < len(self.known) else Trial(index, "", f"proposal {index + 1}", {})

    def __iter__(self) -> Iterator[Trial]:
        return (self[index] for index in range(len(self)))

    def find(self, id: str, index: int) -> Trial | None:  # noqa: A002 - the protocol's word
        """The proposed trial with this identity."""
        at = self._places.get(id, len(self.known))
        if at >= len(self.known) or self.known[at].id != id:
            at = next((place for place, trial in enumerate(self.known) if trial.id == id), -1)
            if at < 0:
                return None
            self._places[id] = at
        return self.known[at]

    def make(self, values: Mapping[str, Any]) -> Trial:
        """These values as the next trial; it is not known yet."""
        weight = self._base.rest + self._base.weigh(self.keys, values)
        name = ",".join(f"{self._short[key]}={show(value)}" for key, value in values.items())
        return Trial(len(self.known), text_of(weight), name, dict(values))


class OptunaSearch:
    """Asks for the next trial knowing what the earlier ones have shown, and which of them are pending.

    What it knows is a function of the events of a chain, in their order: a restart replays them. So a proposal counts
    from its intent on. One that was made, but of which there is no intent when something new is learnt, never was: the
    search begins anew without it.
    """

    def __init__(
        self, settings: Settings, trials: OptunaTrials, objective: Objective, presence: Presence = ALWAYS
    ) -> None:
        self._settings, self._trials, self._objective = settings, trials, objective
        self._presence = presence
        self._distributions = {key: distribution(*domain) for key, domain in settings.of.items()}
        self._begin_anew()

    def _begin_anew(self) -> None:
        """Nothing is known."""
        self._study = study(self._settings, self._objective)
        self._trials.known.clear()
        self._asked: dict[str, optuna.Trial | None] = {}
        self._told: dict[str, float | None] = {}
        self._skipped: set[str] = set()
        self._running: set[str] = set()
        self._ended: dict[str, tuple[Mapping[str, Any], float | None]] = {}  # values and result, not told yet
        self._learnt = 0
        """So many of the chain's events are taken in."""
        self._unsent: Trial | None = None
        self._dry = False
        """The last time it was asked it had nothing new."""

    def propose(self, chain: Chain) -> Proposal | None:
        """The next trial: one that was proposed and has not finished, else a new one."""
        if (self._unsent or self._dry) and self._is_news(chain):
            self._begin_anew()
        self.learn(chain)
        pending = {job.intent.trial for job in chain.unfinished.values()}
        waiting = [t for t in self._trials.known if not chain.is_finished(t.id) and t.id not in pending]
        if waiting:
            return Proposal(waiting[0], last=len(waiting) == 1 and self._full)
        if self._full or self._dry:
            return None
        self._unsent = self._ask()
        self._dry = self._unsent is None
        return Proposal(self._unsent, last=self._full) if self._unsent else None

    @property
    def _full(self) -> bool:
        return len(self._trials.known) >= self._settings.count

    def _is_news(self, chain: Chain) -> bool:
        """Has anything happened but that the last proposal was sent?"""
        first = next(iter(chain.course[self._learnt :]), None)
        sent = isinstance(first, ev.Intent) and self._unsent is not None and first.trial == self._unsent.id
        return first is not None and not sent

    def learn(self, chain: Chain) -> None:
        """Take in what the chain knows, in the order in which it came about."""
        for event in chain.course[self._learnt :]:
            match event:
                case ev.Intent():
                    if event.trial not in self._asked:
                        self._replay(event)
                    self._running.add(event.trial)
                    self._ended.pop(event.trial, None)
                    self._unsent = None
                case ev.Outcome():
                    self._take(chain.jobs[event.name].intent, event)
                case ev.Skipped():
                    self._skipped.add(event.trial)
                    self._leave_out(event.trial)
                case ev.Reopened():
                    self._skipped.discard(event.trial)
                case ev.Taught():
                    for values, value in event.trials:
                        if seen := frozen(values, self._settings.of, value):
                            self._study.add_trial(seen)
        self._learnt = len(chain.course)

    # -- ask and tell -----------------------------------------------------------------------------------------

    def _ask(self) -> Trial | None:
        """The next new proposal. One that is known already, or left out, is told, so that the sampler moves on."""
        import optuna

        for trial_id, (values, value) in self._ended.items():
            self._tell(trial_id, values, value)
        self._ended.clear()
        for _ in range(MOST_REPEATS):
            asked, values = self._proposed()
            trial = self._trials.make(values)
            if self._trials.left_out(trial.values):
                # not as failed: of those a sampler learns nothing, and proposes the same again and again
                self._study.tell(asked, state=optuna.trial.TrialState.PRUNED)
            elif trial.id in self._asked or trial.id in self._skipped:
                self._study.tell(asked, **_result(self._told.get(trial.id)))
            else:
                self._asked[trial.id] = asked
                self._trials.known.append(trial)
                return trial
        return None

    def _proposed(self) -> tuple[optuna.Trial, dict[str, Any]]:
        """What the sampler proposes: what is always there first, then what these values ask for."""
        optional = self._presence.keys
        asked = self._study.ask({key: one for key, one in self._distributions.items() if key not in optional})
        always = {key: self._value(key, drawn) for key, drawn in asked.params.items()}

        def draw(key: str) -> Any:
            return self._value(key, suggested(asked, key, self._distributions[key]))

        found = self._presence.filled(always, draw)
        return asked, {key: found[key] for key in self._distributions if key in found}

    def _replay(self, was: ev.Intent) -> None:
        """Ask as before. When Optuna answers otherwise (another version), the trial is taken in as it was."""
        if not self._declares(was):
            self._asked[was.trial] = None  # of another declaration, or of another script: it says nothing here
            self._told[was.trial] = None
            return
        trial = self._ask()
        if trial is not None and trial.id == was.trial:
            return
        if trial is not None:
            asked = self._asked.pop(trial.id)
            self._trials.known.pop()
            if asked is not None:
                self._study.tell(asked, **_result(None))
        self._asked[was.trial] = None
        self._trials.known.append(Trial(len(self._trials.known), was.trial, was.label, dict(was.values)))

    def _declares(self, was: ev.Intent) -> bool:
        """Would these values be the same trial today, and may they still be proposed?"""
        known = set(was.values) <= set(self._distributions)
        if not known or set(self._there(was.values)) != set(was.values):
            return False
        same = self._trials.make(was.values).id == was.trial
        return same and frozen(was.values, self._settings.of, None) is not None

    def _there(self, values: Mapping[str, Any]) -> Mapping[str, Any]:
        """The keys that a trial with these values has; those of another declaration may be none of them."""
        try:
            return self._presence.there({**dict.fromkeys(self._distributions), **values})
        except RuleFailedError:
            return {}

    def _take(self, intent: ev.Intent, outcome: ev.Outcome) -> None:
        """An attempt has ended. One that was interrupted is none, unless nobody wants another."""
        self._running.discard(intent.trial)
        if TrialStatus(outcome.trial_status).finished:
            self._ended[intent.trial] = intent.values, value_of(outcome, self._objective)
        else:
            self._leave_out(intent.trial)

    def _leave_out(self, trial: str) -> None:
        """A trial that was proposed and that nobody wants has come to nothing, once it does not run."""
        known = (*self._running, *self._told, *self._ended)
        if trial in self._skipped and trial in self._asked and trial not in known:
            self._ended[trial] = {}, None

    def _tell(self, trial: str, values: Mapping[str, Any], value: float | None) -> None:
        """What a trial has come to; of one that was run again, what it has come to now.

        Told before something new is asked for, and not as it ends: a failure that is tried again meanwhile is none.
        """
        again, asked = trial in self._told, self._asked[trial]
        if again and (value is None or self._trials.find(trial, 0) is None):
            return
        self._told[trial] = value
        if asked is not None and not again:
            self._study.tell(asked, **_result(value))
        elif seen := frozen(values, self._settings.of, value):
            self._study.add_trial(seen)

    # -- values -----------------------------------------------------------------------------------------------

    def _value(self, key: str, drawn: Any) -> Any:
        domain, arguments = self._settings.of[key]
        if domain == CHOICE:
            return next(option for option in arguments if _text(option) == drawn)
        return drawn if isinstance(drawn, int) else numbers(domain, arguments).near(drawn)


def _result(value: float | None) -> dict[str, Any]:
    """What to tell Optuna: a value of the objective, or that there is none."""
    import optuna

    return {"state": optuna.trial.TrialState.FAIL} if value is None else {"values": value}


def value_of(outcome: ev.Outcome, objective: Objective) -> float | None:
    """The objective's last value of an attempt that has come to one; NaN is none."""
    value = outcome.metrics.get(objective.metric)
    good = outcome.trial_status in (TrialStatus.COMPLETED.value, TrialStatus.PRUNED.value)
    return None if value is None or math.isnan(value) or not good else value


def as_optuna(history: TrialHistory, of: Domains, objective: Objective) -> optuna.trial.FrozenTrial | None:
    """A finished trial as Optuna keeps it; None when its values lie outside of the domains."""
    job, outcome = history.jobs[0], history.last.outcome if history.finished else None
    value = value_of(outcome, objective) if outcome else None
    told = {"trial": history.id, "name": job.intent.label, "job": history.last.name}
    return frozen(job.intent.values, of, value, told)


def frozen(
    values: Mapping[str, Any], of: Domains, value: float | None, told: Mapping[str, Any] | None = None
) -> optuna.trial.FrozenTrial | None:
    """A trial with these values and this result as Optuna keeps it; None when they lie outside of the domains."""
    import optuna

    state = optuna.trial.TrialState
    try:
        return optuna.trial.create_trial(
            params={k: _text(v) if of[k][0] == CHOICE else v for k, v in values.items()},
            distributions={key: distribution(*of[key]) for key in values},
            value=value,
            state=state.FAIL if value is None else state.COMPLETE,
            user_attrs=dict(told or {}),
        )
    except (KeyError, ValueError):
        return None


def _text(option: Any) -> str:
    """An option as Optuna gets it: one text for each value, also for lists and mappings; 1 is not "1"."""
    return canonical(option)


def unproposable(domain: str, arguments: Sequence[Any]) -> str:
    """Why Optuna cannot propose from this domain, and what to write; empty: it can."""
    if domain == CHOICE:
        return ""
    said = numbers(domain, arguments)
    if not said.scale.bounded:
        return f"Optuna has no {domain} distribution: give it ends, with uniform or loguniform, or take sweep.random"
    if said.scale is Scale.LOG and said.step is not None and not (isinstance(said.step, int) and said.step == 1):
        instead = f"{{loguniform: [{said.low:g}, {said.high:g}]}}"
        return f"Optuna has no steps on a logarithmic scale: write {instead}, or logint for whole numbers"
    return ""


def distribution(domain: str, arguments: Sequence[Any]) -> optuna.distributions.BaseDistribution:
    """A domain of ours that is not `unproposable` as a distribution of Optuna's."""
    from optuna import distributions

    if domain == CHOICE:
        return distributions.CategoricalDistribution([_text(option) for option in arguments])
    said = numbers(domain, arguments)
    log = said.scale is Scale.LOG
    if isinstance(said.step, int):
        return distributions.IntDistribution(int(said.low), int(said.high), log=log, step=said.step)
    return distributions.FloatDistribution(said.low, said.high, log=log, step=said.step)


def suggested(asked: optuna.Trial, key: str, among: optuna.distributions.BaseDistribution) -> Any:
    """A value for one more parameter of a trial that has been asked for."""
    from optuna import distributions

    match among:
        case distributions.CategoricalDistribution():
            return asked.suggest_categorical(key, among.choices)
        case distributions.IntDistribution():
            return asked.suggest_int(key, among.low, among.high, step=among.step, log=among.log)
        case distributions.FloatDistribution():
            return asked.suggest_float(key, among.low, among.high, step=among.step, log=among.log)
        case _:
            raise AssertionError(f"{among} is none of ours")


def study(settings: Settings, objective: Objective) -> optuna.Study:
    """An empty study in memory. Raises ImportError when Optuna, or what this sampler needs, is not installed."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    make: Callable[..., optuna.samplers.BaseSampler] = getattr(optuna.samplers, SAMPLERS[settings.sampler])
    begins = settings.startup is not None and settings.sampler not in ("qmc", "random")
    starts: dict[str, Any] = {"n_startup_trials": settings.startup} if begins else {}
    if settings.sampler == "tpe":
        starts["constant_liar"] = True  # what is pending keeps the next one away from itself
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        sampler = make(seed=settings.seed, **starts)
    return optuna.create_study(sampler=sampler, direction=objective.goal.value)
