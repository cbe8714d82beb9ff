"""Recorded FailureReason texts and what they are."""

import pytest

from sweeper.core.failures import Failure, classify, root_cause

TEXTS = [
    (
        "AlgorithmError: ExecuteUserScriptError:\nExitCode 1\n"
        'ErrorMessage "raise EnvironmentError(msg)\n OSError: no model"'
        '\nCommand "/opt/conda/bin/python3.8 train.py --epochs 1"',
        Failure.ALGORITHM_ERROR,
        "OSError: no model",
    ),
    (
        "AlgorithmError: ModuleNotFoundError: No module named 'peft'\nexit code 1\nTraceback (most recent call last):\n"
        "  File \"train.py\", line 1\nModuleNotFoundError: No module named 'peft', exit code: 1",
        Failure.DEPENDENCY,
        "ModuleNotFoundError: No module named 'peft'",
    ),
    (
        "AlgorithmError: torch.cuda.OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB, exit code: 1",
        Failure.OUT_OF_MEMORY,
        "torch.cuda.OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB",
    ),
    ("AlgorithmError: , exit code: 137", Failure.OUT_OF_MEMORY, "AlgorithmError: , exit code: 137"),
    ("AlgorithmError: Exit Code: 139", Failure.ALGORITHM_ERROR, "Exit Code: 139"),
    (
        "CapacityError: Unable to provision requested ML compute capacity. Please retry using a different ML instance "
        "type.",
        Failure.CAPACITY,
        "CapacityError: Unable to provision requested ML compute capacity. Please retry using a different ML instance "
        "type.",
    ),
    (
        "InternalServerError: We encountered an internal error.  Please try again.",
        Failure.INTERNAL_ERROR,
        "InternalServerError: We encountered an internal error.  Please try again.",
    ),
    (
        "ClientError: Data download failed:NoSuchKey (404): The specified key does not exist.",
        Failure.CLIENT_ERROR,
        "Data download failed:NoSuchKey (404): The specified key does not exist.",
    ),
    ("Something nobody has seen", Failure.UNKNOWN, "Something nobody has seen"),
]


@pytest.mark.parametrize(("reason", "failure", "cause"), TEXTS)
def test_a_recorded_text_is_classified_and_its_cause_found(reason: str, failure: Failure, cause: str) -> None:
    """A FailureReason gives its class and the line a person needs."""
    assert (failure, cause) == (classify(reason), root_cause(reason))
