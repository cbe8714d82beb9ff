"""Questions about what the service refuses. None of them needs a machine: what is taken all the same is stopped."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sweeper.core.events import PoolStatus
from sweeper.core.smoke.jobs import OTHER_VOLUME_GB, Wanted
from sweeper.core.smoke.questions import Question
from sweeper.core.smoke.timeline import Timeline
from sweeper.errors import ApiError, ApiErrorKind, UsageError
from sweeper.run.smoke.asking import Asking
from sweeper.run.smoke.bench import NotAnswered, said

KEEP_ALIVES_S = (21601, 21600, 3601, 3600)
"""Seconds, the longest first: past the model's limit, the model's, past the documents', the documents'."""
LATE = {"update_reused": "reused", "update_terminated": "terminated", "update_absent": "not shown"}
_JUDGED = (ApiErrorKind.INVALID, ApiErrorKind.INVALID_FOR_ALL)


def missing(asking: Asking) -> None:
    """The release of a job that never was. Raises UsageError when it is denied: nobody could release anything."""
    name = asking.bench.nobody()
    try:
        text = asking.bench.update(name, 0)
    except ApiError as error:
        raise UsageError(f"you may not release a pool ({error.message}): nothing was sent") from error
    asking.answer(Question.MISSING, text or "it is taken", {"refusals": {"update_missing": text}}, name=name)


def longest(asking: Asking) -> None:
    """The longest keep-alive that is taken, by a job that is stopped before it has a machine."""
    text, seen, taken_s = "", None, 0
    for seconds in KEEP_ALIVES_S:
        try:
            seen = asking.bench.create(_short(asking, f"a keep-alive of {seconds} s", keep_alive_s=seconds))
        except ApiError as error:
            if error.kind not in _JUDGED:
                raise
            text = text or said(error)
            continue
        taken_s = seconds
        break
    if seen is None:
        raise NotAnswered(f"none of them is taken: {text}")
    words = f"{taken_s} s" + (f"; a longer one is refused: {text}" if text else " at least")
    refusals = {"refusals": {"long_keep_alive": text.replace(str(taken_s), "{most}")}} if text else {}
    asking.answer(Question.LONGEST, words, {"max_keep_alive_s": taken_s, **refusals}, seen)
    _stop_early(asking, seen)


def _stop_early(asking: Asking, seen: Timeline) -> None:
    """What a job shows that was stopped before it had a machine."""
    _stop_at_once(asking, seen)
    asking.were_stopped.append(seen)
    if seen.started_at is not None:
        asking.stopping["early"] = "it had a machine before it could be stopped"
        return
    longest_s = asking.bench.pace.settles_s if asking.gap_s is None else 2 * asking.gap_s + asking.bench.pace.matches_s
    asking.bench.watch(seen, lambda: seen.kept is not None, min(longest_s, asking.bench.pace.settles_s))
    if seen.kept:
        asking.stopping["early"] = "its pool is kept, though it had no machine"
        return
    asking.stopping["early_stop_shows_terminated"] = seen.kept is not None
    _late_absent(asking, seen)


def spot(asking: Asking) -> None:
    """A keep-alive for a managed spot job."""
    name, keep_s = "spot_keep_alive", asking.bench.pace.keep_alive_s
    try:
        seen = asking.bench.create(_short(asking, "a spot job with a keep-alive", keep_alive_s=keep_s, spot=True))
    except ApiError as error:
        if error.kind not in _JUDGED:
            raise
        asking.answer(Question.SPOT, said(error), {"refusals": {name: said(error)}})
        return
    asking.answer(Question.SPOT, "it is taken", {"refusals": {name: ""}}, seen)
    _stop_at_once(asking, seen)


def absent(asking: Asking) -> None:
    """A job that shows no pool, where none was seen on the way."""
    if "update_absent" not in asking.refusals:
        seen = asking.bench.create(_short(asking, "a job without a pool", keep_alive_s=0))
        _stop_at_once(asking, seen)
        _late_absent(asking, seen)


def tell_late(asking: Asking) -> None:
    """What was said to updates that came too late."""
    known = asking.refusals
    words = "; ".join(f"{LATE[name]}: {known[name] or 'it is taken'}" for name in LATE if name in known)
    lacking = [f"none was seen {LATE[name]}" for name in LATE if name not in known]
    _tell(asking, Question.UPDATE_LATE, words, {"refusals": dict(known)} if known else {}, ", ".join(lacking))


def tell_stopped(asking: Asking) -> None:
    """What is known of jobs that were stopped, while they trained and before."""
    told = dict(asking.stopping)
    early = told.pop("early", "")
    parts = {
        "stop_retains_pool": ("the pool of a stopped job is kept", "the pool of a stopped job is not kept"),
        "early_stop_shows_terminated": ("one without a machine shows Terminated", "one without a machine shows none"),
    }
    words = "; ".join(yes if told[name] else no for name, (yes, no) in parts.items() if name in told)
    lacking = [] if "stop_retains_pool" in told else ["no job was stopped while it trained"]
    if "early_stop_shows_terminated" not in told:
        lacking.append(early or "none was stopped before it had a machine")
    _tell(asking, Question.STOPPED, words, told, "; ".join(lacking))


def _tell(asking: Asking, question: Question, words: str, settings: Mapping[str, Any], lacking: str) -> None:
    """An answer of several parts, of which some may be lacking."""
    if words:
        asking.answer(question, words, settings, *(asking.were_stopped if question is Question.STOPPED else ()))
    if words and lacking:
        asking.answers[question] = replace(asking.answers[question], open=lacking)
    elif lacking:
        asking.leave_open(question, lacking)


def _short(asking: Asking, label: str, keep_alive_s: int, *, spot: bool = False) -> Wanted:
    """A job that no pool fits: it is stopped while it waits for a machine."""
    pace = asking.bench.pace
    return asking.wanted(
        label,
        seconds=pace.long_job_s,
        keep_alive_s=keep_alive_s,
        max_runtime_s=pace.short_runtime_s,
        volume_gb=OTHER_VOLUME_GB,
        spot=spot,
    )


def _stop_at_once(asking: Asking, seen: Timeline) -> None:
    """Stop it as soon as it can be, and wait for its end. Raises NotAnswered."""
    bench, stopped = asking.bench, False

    def stop() -> None:
        nonlocal stopped
        stopped = stopped or not bench.stop(seen.name)

    stop()
    if not bench.watch(seen, lambda: seen.ended, bench.pace.settles_s, stop, often=True):
        raise NotAnswered(f"{seen.name} was not seen to stop within {bench.pace.settles_s:.0f} s")


def _late_absent(asking: Asking, seen: Timeline) -> None:
    if seen.last is not None and seen.last.pool is PoolStatus.ABSENT:
        asking.late("update_absent", seen)
