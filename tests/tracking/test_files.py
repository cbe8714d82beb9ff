"""The files of a sweep: what is written is what can be read."""

import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from sweeper.tracking.files import as_yaml


@given(st.text(st.characters(exclude_categories=("Cs",))))
@example("a\x85b")
@example("\x85")
def test_every_text_is_read_back_from_yaml(text: str) -> None:
    """Whatever characters a value has, control characters and line ends of other systems too."""
    assert yaml.safe_load(as_yaml({"x": text})) == {"x": text}
