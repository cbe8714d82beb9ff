"""Reading a composed configuration: plain resolved values with every problem found, and the leaves of an identity."""

from __future__ import annotations

import pickle
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType
from typing import Any

import omegaconf
from omegaconf import DictConfig, ListConfig, OmegaConf, ValueNode
from omegaconf.errors import GrammarParseError, OmegaConfBaseException

from sweeper.config.check import Finding
from sweeper.config.problems import KeyPath, nearest
from sweeper.core.identity import Leaves, above, canonical, flatten, path_of

_taken: ContextVar[Mapping[str, Any]] = ContextVar("taken", default=MappingProxyType({}))
"""What `${prev:...}` stands for while a trial is being resolved."""


def _prev(key: str, default: Any = None) -> Any:
    return _taken.get().get(key, default)


def register_resolvers() -> None:
    """Make `${prev:KEY,default}` known to OmegaConf; in 2.3 `register_resolver` is an older function for text only."""
    register = getattr(OmegaConf, "register_resolver" if _VERSION >= (2, 4) else "register_new_resolver")
    register("prev", _prev, replace=True)


@contextmanager
def handing_over(taken: Mapping[str, Any]) -> Iterator[None]:
    """While it lasts `${prev:...}` stands for these values."""
    token = _taken.set(taken)
    try:
        yield
    finally:
        _taken.reset(token)


def prev_keys(node: Any) -> list[str]:
    """The keys of every `${prev:...}` below a node."""
    texts = [leaf if isinstance(leaf, str) else canonical(leaf) for _, leaf in flatten(node)]
    return list(dict.fromkeys(key for text in texts for key in _PREV.findall(text)))


def hydra_keys(leaf: Any) -> list[str]:
    """The keys of every `${hydra:...}` in a value."""
    return _HYDRA.findall(leaf if isinstance(leaf, str) else canonical(leaf))


IDENTITY = ("locked", "job", "hyperparameters", "environment", "dependencies", "request")
COSMETIC = (
    "metrics",
    "output_path",
    "max_runtime_s",
    "checkpoint_s3_uri",
    "checkpoint_local_path",
    "allow_outside_project",
    "output_kms_key_id",
    "expected_bucket_owner",
    "max_source_mb",
    "max_input_mb",
    "training_repository_access_mode",
    "training_repository_credentials_provider_arn",
    "enable_sagemaker_metrics_time_series",
    "output_compression",
    "max_pending_s",
    "max_retry_attempts",
    "tags",
    "tensor_board_output_config",
    "experiment_config",
    "mlflow_config",
    "enable_remote_debug",
    "enable_infra_check",
)
"""Keys of `job` that change no result: they belong to no identity."""
PINNED = ("source_dir",)
"""Keys of `job` whose content counts instead: the digest of the files."""

UNREAD = "holds a ${ that cannot be read: write ${section.key} or ${oc.env:NAME,default}"

_VERSION = tuple(int(part) for part in omegaconf.__version__.split(".")[:2])
_PREV = re.compile(r"\$\{\s*prev\s*:\s*([\w.-]+)")
_HYDRA = re.compile(r"\$\{\s*hydra\s*:\s*([\w./-]+)")
_REFERENCE = re.compile(r"\$\{\s*([^${}:\s]+)\s*(:?)")


def plain(node: Any) -> Any:
    """A node as plain containers, interpolations left as they are written."""
    if isinstance(node, ValueNode):  # a section that is one value, or null
        return node._value()
    return OmegaConf.to_container(node, resolve=False) if OmegaConf.is_config(node) else node


def copied(config: DictConfig) -> DictConfig:
    """A deep copy, in a third of the time that `copy.deepcopy` takes."""
    copy: DictConfig = pickle.loads(pickle.dumps(config, pickle.HIGHEST_PROTOCOL))
    return copy


def without(config: DictConfig, section: str) -> DictConfig:
    """A copy without this section, and without what no text names: it may be changed, and anything be added."""
    copy = copied(config)
    OmegaConf.set_struct(copy, False)
    for key in [key for key in copy if key == section or not isinstance(key, str)]:
        del copy[key]
    return copy


def read(config: DictConfig, section: str) -> tuple[Any, list[Finding]]:
    """One section with everything resolved, and every value in it that cannot be."""
    try:
        value = config._get_node(section)
        if isinstance(value, (DictConfig, ListConfig)):
            return OmegaConf.to_container(value, resolve=True, throw_on_missing=True), []
        return config[section], []
    except (OmegaConfBaseException, RecursionError):
        found: list[Finding] = []
        return _walk(config, section, (section,), found), found


def _walk(parent: Any, key: Any, path: KeyPath, found: list[Finding]) -> Any:
    """What `parent[key]` is, without what cannot be resolved: that is noted in `found`."""
    if OmegaConf.is_missing(parent, key):
        found.append((path, "is missing: it has no default"))
        return None
    try:
        value = parent[key]
        if OmegaConf.is_interpolation(parent, key):
            return OmegaConf.to_container(value, resolve=True, throw_on_missing=True) if _is_node(value) else value
    except (OmegaConfBaseException, RecursionError) as error:
        found.append((path, say(error, parent, secret=path[0] in ("environment", "trackers"))))
        return None
    if isinstance(value, DictConfig):
        return {name: _walk(value, name, (*path, str(name)), found) for name in value}
    if isinstance(value, ListConfig):
        return [_walk(value, position, (*path, position), found) for position in range(len(value))]
    return value


def _is_node(value: Any) -> bool:
    return isinstance(value, (DictConfig, ListConfig))


def say(error: BaseException, parent: Any = None, *, secret: bool = False) -> str:
    """What OmegaConf could not do, in words that help. `secret`: in none that repeat the value."""
    text = str(error).splitlines()[0] if str(error) else type(error).__name__
    text = text.split("raised while resolving interpolation: ", 1)[-1].strip('"')
    if isinstance(error, RecursionError) or "RecursionError" in str(error) or "recursi" in text.lower():
        return "the interpolation leads back to itself"
    if isinstance(error, GrammarParseError):
        return (
            "holds a ${ that cannot be read: write ${section.key} or ${oc.env:NAME,default}; for the sign itself \\${"
        )
    if unset := re.match(r"Environment variable '(.+)' not found", text):
        name = unset.group(1)
        return f"environment variable {name!r} is not set: set it, or give a default: ${{oc.env:{name},default}}"
    if unknown := re.match(r"Interpolation key '(.+)' not found", text):
        return _not_there(unknown.group(1), parent)
    if unsupported := re.match(r"Unsupported interpolation type (\S+)", text):
        return f"there is no resolver {unsupported.group(1)!r}"
    return "cannot be resolved" if secret else text[:1].lower() + text[1:]


def _not_there(key: str, parent: Any) -> str:
    root = parent._get_root() if _is_node(parent) else None
    sections = {} if root is None else {k: plain(root._get_node(k)) for k in root if k != "hydra"}
    known = [".".join(path) for path, _ in flatten(sections)]
    if key in known:
        return f"{key!r} has dots in its name, which no interpolation reaches: let both follow a value under vars"
    return f"there is no {key!r} to interpolate{nearest(key, known)}"


# -- identity ---------------------------------------------------------------------------------------------------


def identity_leaves(config: DictConfig, locked: Mapping[str, Any], digests: Leaves, swept: Sequence[str]) -> Leaves:
    """The leaves that make a trial what it is; `digests` stand for what lies in files.

    What another key decides is taken as written, because that key counts itself; what the outside decides
    (`${oc.env:...}`) is taken by value, except under `environment`: a secret enters by its key, never by its value.
    """
    leaves: dict[tuple[str, ...], Any] = {}
    sections = [*IDENTITY, *(name for name in dict.fromkeys(key.split(".")[0] for key in swept) if name == "vars")]
    for section in sections:
        if section == "locked":
            leaves.update(flatten(dict(locked), ("locked",)))
        elif section in config:
            for path, value in flatten(plain(config._get_node(section)), (section,)):
                if path[0] != "job" or (path[1] if len(path) > 1 else "") not in (*COSMETIC, *PINNED):
                    leaves[path] = _weighed(config, path, value, swept)
    if "vars" in sections:  # of the user's own values only the swept ones count
        keys = [path_of(key, above(leaves)) for key in swept]
        leaves = {p: v for p, v in leaves.items() if p[0] != "vars" or any(p[: len(k)] == k for k in keys)}
    contents = {path: found or None for path, found in digests.items() if path == ("source",) or path in leaves}
    return {**leaves, **contents}


def _weighed(config: DictConfig, path: tuple[str, ...], value: Any, swept: Sequence[str]) -> Any:
    text = value if isinstance(value, str) else canonical(value) if isinstance(value, list) else ""
    if "${" not in text or path[0] == "environment":
        return value
    references = _REFERENCE.findall(text)
    calls = [name for name, call in references if call and name != "prev"]
    keys = [name for name, call in references if not call]
    inside = [key for key in keys if _counts(key, swept)]
    if not calls and len(inside) == len(keys):
        return value
    try:
        resolved = _select(config, path)
    except OmegaConfBaseException:
        return value
    return {"written": value, "resolved": resolved} if inside or "prev" in dict(references) else resolved


def names_a_key(leaf: Any) -> bool:
    """True when an interpolation in this value follows another key, not just the outside."""
    text = leaf if isinstance(leaf, str) else canonical(leaf) if isinstance(leaf, list) else ""
    return any(not call for _, call in _REFERENCE.findall(text))


def _counts(key: str, swept: Iterable[str]) -> bool:
    """True when the key that an interpolation names is itself part of the identity, or swept."""
    if key.startswith("."):
        return True
    parts = key.split(".")
    if parts[0] in IDENTITY:
        return not (parts[0] == "job" and len(parts) > 1 and parts[1] in (*COSMETIC, *PINNED))
    return any(key == other or key.startswith(other + ".") or other.startswith(key + ".") for other in swept)


def _select(config: DictConfig, path: tuple[str, ...]) -> Any:
    node: Any = config
    for part in path:
        node = node[part]
    return OmegaConf.to_container(node, resolve=True) if _is_node(node) else node
