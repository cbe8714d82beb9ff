"""Values applied by us give the configuration that Hydra's own composition gives, for whatever override string."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import hydra
import pytest
from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from sweeper.config.axes import values_of
from sweeper.config.draft import apply

CONFIG = """\
hyperparameters: {lr: 0.1, name: x, none: null, items: [1, 2], nested: {a: 1, b: {c: 2}}}
vars: {size: 3}
"""
KEYS = [
    "hyperparameters.lr",
    "hyperparameters.items",
    "hyperparameters.nested",
    "hyperparameters.nested.b",
    "vars.size",
]
NEW = ["hyperparameters.new", "hyperparameters.nested.new", "hyperparameters.none"]

NUMBERS = "1 0.5 1e-4 1_000 nan -inf 0x10 007 2024-01-01 1:30"
WORDS = "true null on a ünï s3://b/k?x=1:2 ${vars.size} '${vars.size}' '' 'a,b' '[1]' \"x=y\""
plain = st.sampled_from([*NUMBERS.split(), *WORDS.split(), "a b", "'it''s'", r"a\,b"])
element = st.recursive(
    plain,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda items: "[" + ",".join(items) + "]"),
        st.dictionaries(st.sampled_from(["a", "b", "n"]), inner, max_size=3).map(
            lambda items: "{" + ",".join(f"{key}:{value}" for key, value in items.items()) + "}"
        ),
    ),
    max_leaves=4,
)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A small application of Hydra's own."""
    folder: Path = tmp_path_factory.mktemp("conf")
    (folder / "config.yaml").write_text(CONFIG, encoding="utf-8")
    old = {"version_base": "1.3"} if hydra.__version__.startswith("1.3") else {}
    with initialize_config_dir(str(folder), **old):
        yield compose("config")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(key=st.sampled_from(KEYS + ["+" + new for new in NEW] + ["++" + new for new in [*KEYS, *NEW]]), value=element)
@example(key="hyperparameters.nested", value="{b:{c:3}}")
@example(key="hyperparameters.nested", value="{}")
@example(key="+hyperparameters.new", value="{}")
def test_as_hydra_would(base: Any, key: str, value: str) -> None:
    """A value of an axis, set by us, gives what `key=value` gives on Hydra's command line."""
    try:
        override = OverridesParser.create().parse_override(f"{key}={value},{value}")
        wanted = OmegaConf.to_container(compose("config", [f"{key}={value}"]))
    except (HydraException, OmegaConfBaseException):
        return  # nothing that Hydra accepts
    applied = OmegaConf.create(OmegaConf.to_container(base))
    apply(applied, {override.get_key_element().lstrip("+"): values_of(override)[0]})
    assert repr(OmegaConf.to_container(applied)) == repr(wanted)
