"""When a running job is hopeless: one module per rule, one row here.

A pruned trial is not failed: its last metrics are kept. A job that writes nothing any more is: it hangs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sweeper.core.kinds import rule_of
from sweeper.core.model import Pruning
from sweeper.core.options import from_section
from sweeper.core.ports import PruneRule
from sweeper.core.prune.halving import Halving
from sweeper.core.prune.nan import Nan
from sweeper.core.prune.patience import Patience
from sweeper.core.prune.quantile import Median, Percentile
from sweeper.core.prune.silence import NoMetric, StalledLog

KINDS: Mapping[str, type[PruneRule]] = {
    made.name: made for made in (Nan, Median, Percentile, Patience, Halving, NoMetric, StalledLog)
}
"""Each rule by its key; also the order in which they are asked: the first that has a reason is named."""


def pruning(section: Mapping[str, Any]) -> Pruning:
    """What an experiment's `prune` section says (validated by its schema before)."""
    rules = tuple(rule_of(kind, section[name]) for name, kind in KINDS.items() if section.get(name))
    settings = from_section(Pruning, section)
    return Pruning(settings.metric, settings.step, rules)
