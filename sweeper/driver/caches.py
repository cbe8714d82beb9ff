"""Where downloads go so that the next job on a warm pool finds them.

Standard library only, Python 3.8 and later; staged with the driver.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

_FOLDERS = {"PIP_CACHE_DIR": "pip", "HF_HOME": "huggingface", "TORCH_HOME": "torch"}


def places(cache: str, given: Collection[str] = ()) -> dict[str, str]:
    """The variables that pip, Hugging Face and PyTorch read, below this folder; none that is given."""
    return {name: f"{cache}/{folder}" for name, folder in _FOLDERS.items() if name not in given}
