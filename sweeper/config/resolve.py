"""A trial's complete configuration: the composed base with the trial's values, every interpolation resolved."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from sweeper.config.draft import FREE, apply
from sweeper.config.hydras_state import ours
from sweeper.config.values import copied, handing_over, plain
from sweeper.config.varying import Compositions
from sweeper.core.identity import canonical, path_of, within
from sweeper.core.model import Trial
from sweeper.core.request import text_of
from sweeper.errors import UsageError

# An interpolation that no trial can change: it reads the environment and nothing else.
_OUTSIDE = re.compile(r"\$\{oc\.env:[^${}]*\}")
_SCALARS = (str, int, float, bool, type(None))
Resolved = dict[str, Any]


@dataclass(frozen=True)
class Resolve:
    """The `Sweep.resolve` of a composed configuration."""

    compositions: Compositions
    _settled: dict[int, Resolved | None] = field(default_factory=dict)

    def __call__(self, trial: Trial, taken: Mapping[str, Any] = MappingProxyType({})) -> Mapping[str, Any]:
        """Plain `locked`, `job`, `hyperparameters`, `environment` and `dependencies`. Raises UsageError."""
        base = self.compositions.of(trial.values)
        values = {k: v for k, v in trial.values.items() if k not in self.compositions.groups}
        resolved = (None if taken else self._quickly(base, values)) or self._fully(base, values, trial.name, taken)
        inputs = {channel: where for channel, where in resolved["job"]["inputs"].items() if where is not None}
        return {
            **resolved,
            "job": {**resolved["job"], "inputs": inputs},
            "environment": text_of(resolved["environment"]),
        }

    def _fully(self, base: DictConfig, values: Mapping[str, Any], name: str, taken: Mapping[str, Any]) -> Resolved:
        config = copied(base)
        apply(config, values)
        try:
            with handing_over(taken), ours():
                return _sections(config)
        except OmegaConfBaseException as error:
            raise UsageError(f"trial {name}: {str(error).splitlines()[0]}") from None

    def _quickly(self, base: DictConfig, values: Mapping[str, Any]) -> Resolved | None:
        """The same without a copy of the whole tree, where only single values change that nothing else refers to."""
        if id(base) not in self._settled:
            self._settled[id(base)] = _settle(base)
        settled = self._settled[id(base)]
        if settled is None or not all(_single(value) for value in values.values()):
            return None
        resolved = dict(settled)
        for key, value in values.items():
            if not _replace(resolved, path_of(key, within(resolved)), value):
                return None
        return resolved


def _sections(config: DictConfig) -> Resolved:
    wanted = [section for section in (*FREE, "locked") if section in config and section != "vars"]
    return {s: OmegaConf.to_container(config[s], resolve=True, throw_on_missing=True) for s in wanted}


def _settle(base: DictConfig) -> Resolved | None:
    """The resolved sections, when no value of one can change another; else None."""
    written = canonical([plain(base[section]) for section in (*FREE, "locked") if section in base])
    if "${" in _OUTSIDE.sub("", written):
        return None
    try:
        return _sections(base)
    except OmegaConfBaseException:
        return None  # told with the trial's name by the full way


def _single(value: Any) -> bool:
    return isinstance(value, _SCALARS) and not (isinstance(value, str) and "$" in value)


def _replace(resolved: Resolved, path: tuple[str, ...], value: Any) -> bool:
    """Put a single value where a single value stands, copying what is on the way; False when the path is not so."""
    node: Any = resolved
    for part in path[:-1]:
        if not isinstance(node, dict) or not isinstance(node.get(part), dict):
            return False
        node[part] = dict(node[part])
        node = node[part]
    if path[-1] not in node or not isinstance(node[path[-1]], _SCALARS):
        return False
    node[path[-1]] = value
    return True
