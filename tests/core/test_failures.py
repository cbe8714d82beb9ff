"""Recorded FailureReason texts and log tails, where they were recorded, and what they are."""

from typing import NamedTuple

import pytest

from sweeper.core.failures import Failure, classify, exit_code, is_vague, root_cause
from sweeper.driver import causes

SDK = "github.com/aws/sagemaker-python-sdk/issues/"
EXAMPLES = "github.com/aws/amazon-sagemaker-examples/issues/"


class Recorded(NamedTuple):
    """A text, what it is, the cause that a person needs, and where it was read."""

    reason: str
    failure: Failure
    cause: str
    source: str
    tail: str = ""


def script_error(message: str, code: int = 1) -> str:
    """As the sagemaker-training toolkit words it."""
    command = 'Command "/opt/conda/bin/python3.8 train.py --epochs 1"'
    said = f'ExitCode {code}\nErrorMessage "{message}"'
    return f"AlgorithmError: ExecuteUserScriptError:\n{said}\n{command}, exit code: {code}"


def driver(cause: str, code: int = 1, detail: str = "") -> str:
    """As our own driver writes it: the cause first."""
    return f"AlgorithmError: {cause}\nexit code {code}\n{detail}, exit code: {code}"


ALGORITHM, CLIENT, OOM = Failure.ALGORITHM_ERROR, Failure.CLIENT_ERROR, Failure.OUT_OF_MEMORY
CUDA = "CUDA out of memory. Tried to allocate 72.00 MiB (GPU 0; 14.76 GiB total capacity; 13.83 GiB already allocated)"
LIMIT = (
    "ResourceLimitExceeded: An error occurred (ResourceLimitExceeded) when calling the CreateTrainingJob operation: "
    "The account-level service limit 'ml.p3.8xlarge for training job usage' is {} Instances, with current utilization "
    "of {} Instances and a request delta of 1 Instances. Please contact AWS support to request an increase."
)
NO_DETAIL = 'AlgorithmError: ExecuteUserScriptError:\nCommand "/usr/bin/python3 -m train --epochs 2"'
FRAMEWORK = (
    "AlgorithmError: framework error: \nTraceback (most recent call last):\n"
    '  File "/miniconda3/lib/python3.7/site-packages/sagemaker_containers/_trainer.py", line 84, in train\n'
    "    entrypoint()\n"
)

TEXTS = [
    Recorded(
        script_error("raise EnvironmentError(msg)\n OSError: no model"),
        ALGORITHM,
        "OSError: no model",
        "github.com/huggingface/notebooks/issues/136",
    ),
    Recorded("AlgorithmError: Exit Code: 139", ALGORITHM, "killed by SIGSEGV", SDK + "134"),
    Recorded("AlgorithmError: Exit Code: 1", ALGORITHM, "Exit Code: 1", EXAMPLES + "372"),
    Recorded("AlgorithmError: Exit Code: 1", ALGORITHM, "Exit Code: 1", EXAMPLES + "1234"),
    Recorded("AlgorithmError: , exit code: 1", ALGORITHM, "", "aws-samples/amazon-sagemaker-ml-pipeline-deploy#12"),
    Recorded(
        "AlgorithmError: , exit code: 132",
        ALGORITHM,
        "killed by SIGILL",
        EXAMPLES + "842",
        tail="2030-08-08 18:57:39 Training - Training image download completed. Training in progress.\n"
        "/usr/lib/python3/joblib/__init__.py:15: DeprecationWarning: joblib is deprecated here",
    ),
    Recorded("AlgorithmError: , exit code: 137", OOM, "killed by SIGKILL", "service-behaviour A.7"),
    Recorded(script_error("", 137), OOM, "killed by SIGKILL", "service-behaviour A.7"),
    Recorded(script_error("", -9), OOM, "killed by SIGKILL", "the toolkit's form for a signal"),
    Recorded(
        script_error("raise EnvironmentError(msg)"),
        ALGORITHM,
        "raise EnvironmentError(msg)",
        "github.com/huggingface/notebooks/issues/136 (cut off)",
    ),
    Recorded(
        script_error("return forward_call(*args, **kwargs)"),
        OOM,
        "torch.cuda.OutOfMemoryError: Caught OutOfMemoryError in replica 0",
        "github.com/huggingface/trl/issues/1169",
        tail="    raise exception\n    torch.cuda.OutOfMemoryError: Caught OutOfMemoryError in replica 0 on device 0.\n"
        '    Original Traceback (most recent call last): File "torch/nn/parallel.py", line 64, in _worker',
    ),
    Recorded(NO_DETAIL, ALGORITHM, "", SDK + "1225"),
    Recorded(NO_DETAIL, ALGORITHM, "", SDK + "658"),
    Recorded(NO_DETAIL, ALGORITHM, "", SDK + "964"),
    Recorded(
        'AlgorithmError: ExecuteUserScriptError: Command "/usr/bin/python training_worker.py --loss_type Huber"',
        ALGORITHM,
        "",
        EXAMPLES + "1064",
    ),
    Recorded(
        FRAMEWORK + "AttributeError: 'NoneType' object has no attribute 'endswith'",
        ALGORITHM,
        "AttributeError: 'NoneType' object has no attribute 'endswith'",
        SDK + "4113",
    ),
    Recorded(
        FRAMEWORK
        + "botocore.exceptions.ClientError: An error occurred (404) when calling the HeadObject operation: Not Found",
        ALGORITHM,
        "botocore.exceptions.ClientError: An error occurred (404)",
        SDK + "835",
    ),
    Recorded(
        FRAMEWORK
        + "botocore.exceptions.ClientError: An error occurred (403) when calling the HeadObject operation: Forbidden",
        Failure.PERMISSION,
        "botocore.exceptions.ClientError: An error occurred (403)",
        SDK + "442",
    ),
    Recorded(
        FRAMEWORK + "FileNotFoundError: [Errno 2] No such file or directory: 'train.py'",
        ALGORITHM,
        "FileNotFoundError: [Errno 2]",
        EXAMPLES + "1740 (the frame; the exception is Python's own)",
    ),
    Recorded(
        script_error("ModuleNotFoundError: No module named 'ignite'"),
        Failure.DEPENDENCY,
        "ModuleNotFoundError: No module named 'ignite'",
        "github.com/aws/sagemaker-pytorch-training-toolkit/issues/189",
    ),
    Recorded(
        script_error("ImportError: cannot import name 'insecure_hashlib' from 'huggingface_hub.utils'"),
        Failure.DEPENDENCY,
        "ImportError: cannot import name 'insecure_hashlib'",
        "github.com/philschmid/llm-sagemaker-sample/issues/26",
    ),
    Recorded(
        'AlgorithmError: InstallModuleError:\nCommand "/usr/bin/python -m pip install -U . -r requirements.txt"',
        Failure.DEPENDENCY,
        "InstallModuleError:",
        "github.com/aws/sagemaker-training-toolkit/issues/19",
    ),
    Recorded(
        'AlgorithmError: InstallModuleError:\nCommand "/opt/conda/bin/python -m pip install . -r requirements.txt"',
        Failure.DEPENDENCY,
        "InstallModuleError:",
        "github.com/nwcd-samples/NWCD-Industry-Customized-OCR-Solution/issues/1",
    ),
    Recorded(
        "AlgorithmError: Exit Code: 1",
        Failure.DEPENDENCY,
        "ImportError: libopenblasp-r0-39a31c03.2.18.so",
        EXAMPLES + "415",
        tail='Traceback (most recent call last):\n  File "train", line 9\n'
        "ImportError: libopenblasp-r0-39a31c03.2.18.so: cannot open shared object file: No such file or directory",
    ),
    Recorded(
        driver("pip could not install requirements.txt: No matching distribution found for sjdhjaskldhjaskl==1.2.0"),
        Failure.DEPENDENCY,
        "pip could not install requirements.txt: No matching distribution",
        SDK + "154 (the pin), our driver",
    ),
    Recorded(
        driver("pkg_resources.DistributionNotFound: The 'tqdm>=4' distribution was not found"),
        Failure.DEPENDENCY,
        "pkg_resources.DistributionNotFound",
        "setuptools' own wording, our driver",
    ),
    Recorded(
        script_error(f"RuntimeError:\n {CUDA} If reserved memory is >> allocated memory try setting max_split_size_mb"),
        OOM,
        "RuntimeError: CUDA out of memory.",
        "github.com/aws/deep-learning-containers/issues/1904",
    ),
    Recorded(script_error(f"RuntimeError: {CUDA}"), OOM, "RuntimeError: CUDA out of memory.", EXAMPLES + "3046"),
    Recorded(
        driver(f"torch.cuda.OutOfMemoryError: {CUDA}"),
        OOM,
        "torch.cuda.OutOfMemoryError: CUDA out of memory.",
        "github.com/GoGoDuck912/Self-Correction-Human-Parsing/issues/80",
    ),
    Recorded(
        script_error(f"OutOfMemoryError: {CUDA}"),
        OOM,
        "OutOfMemoryError",
        "github.com/ragntune/code-llama-finetune/issues/3",
    ),
    Recorded(
        driver("RuntimeError: CUDA error: out of memory"),
        OOM,
        "RuntimeError: CUDA error",
        "github.com/ray-project/ray/issues/3947",
    ),
    Recorded(
        script_error(
            "xgboost.core.XGBoostError: [02:14:02] ../device_helpers.cuh:393: Memory allocation error on worker 0: "
            "std::bad_alloc: out_of_memory: CUDA error at: cuda_memory_resource.hpp"
        ),
        OOM,
        "xgboost.core.XGBoostError",
        "github.com/rapidsai/deployment/issues/523",
    ),
    Recorded(driver("killed by SIGKILL (often out of memory)", 137), OOM, "killed by SIGKILL", "our driver"),
    Recorded(
        driver("numpy.core._exceptions._ArrayMemoryError: Unable to allocate 29.8 GiB for an array"),
        OOM,
        "numpy.core._exceptions._ArrayMemoryError",
        "numpy's own wording, our driver",
    ),
    Recorded(
        "ClientError: Data download failed:NoSuchKey (404): The specified key does not exist.",
        CLIENT,
        "Data download failed:NoSuchKey (404)",
        "service-behaviour A.7",
    ),
    Recorded("ClientError: Data download failed:Insufficient disk space", CLIENT, "Data download failed", SDK + "128"),
    Recorded("ClientError: Please use a GPU instance for training", CLIENT, "Please use a GPU", EXAMPLES + "587"),
    Recorded(
        "ClientError: Data download failed:Failed to download data. S3 key: s3://b/input/code/requirements.txt has an "
        "illegal char sub-sequence '//' in it",
        CLIENT,
        "Data download failed:Failed to download data.",
        "github.com/aws-samples/generative-ai-on-amazon-sagemaker/pull/242",
    ),
    Recorded(
        "ClientError: Data download failed:Unable to download object s3://sagemaker-repository-dub/model-data "
        "(AccessDenied: Access Denied)",
        Failure.PERMISSION,
        "Data download failed:Unable to download object",
        EXAMPLES + "4384",
    ),
    Recorded(
        "ClientError: SageMaker was unable to assume the role 'arn:aws:iam::123456789012:role/SageMakerRole'",
        Failure.PERMISSION,
        "SageMaker was unable to assume the role",
        SDK + "35",
    ),
    Recorded(
        "ClientError: Artifact upload failed:API error (400): OCI runtime create failed: container_linux.go:380: "
        'starting container process caused: exec: "train": executable file not found in $PATH: unknown',
        Failure.IMAGE,
        "Artifact upload failed",
        EXAMPLES + "3650",
    ),
    Recorded(
        "AlgorithmError: Exit Code: 1",
        Failure.IMAGE,
        "[FATAL tini (7)] exec train failed: Permission denied",
        SDK + "4678",
        tail="[FATAL tini (7)] exec train failed: Permission denied",
    ),
    Recorded(
        "AlgorithmError: Exit Code: 1",
        Failure.IMAGE,
        "container_linux.go:247: starting container process",
        EXAMPLES + "744",
        tail='container_linux.go:247: starting container process caused "exec: \\"train\\": '
        'executable file not found in $PATH"',
    ),
    Recorded(
        "ClientError: Artifact upload failed:ClientError: Out of Memory. Please use a larger instance",
        OOM,
        "Artifact upload failed:ClientError: Out of Memory.",
        "the service's own wording",
    ),
    Recorded(
        "ClientError: Data download failed:failed to download data. 403 Forbidden (403): Forbidden",
        Failure.PERMISSION,
        "Data download failed:failed to download data. 403",
        "the service's own wording",
    ),
    Recorded(
        "ClientError: (no identity-based policy allows the s3:ListBucket action)",
        Failure.PERMISSION,
        "(no identity-based policy",
        "IAM's own wording",
    ),
    Recorded(
        "ClientError: CannotStartContainerError. Please ensure the model container for variant starts correctly.",
        Failure.IMAGE,
        "CannotStartContainerError",
        "the service's documented name of the error, its wording made up",
    ),
    Recorded(
        "CapacityError: Unable to provision requested ML compute capacity. Please retry using a different ML instance "
        "type.",
        Failure.CAPACITY,
        "CapacityError: Unable to provision",
        "github.com/DIAGNijmegen/rse-grand-challenge/issues/2631",
    ),
    Recorded(
        "InternalServerError: We encountered an internal error. Please try again.",
        Failure.INTERNAL_ERROR,
        "InternalServerError: We encountered an internal error.",
        SDK + "70",
    ),
    Recorded(
        "InternalServerError: We encountered an internal error.  Please try again.",
        Failure.INTERNAL_ERROR,
        "InternalServerError: We encountered an internal error.",
        "github.com/aws/sagemaker-spark/issues/76 (two blanks: service-behaviour A.6)",
    ),
    Recorded(LIMIT.format(0, 0), Failure.QUOTA, "ResourceLimitExceeded", "github.com/zenml-io/zenml/issues/847"),
    Recorded(LIMIT.format(2, 3), Failure.QUOTA_BUSY, "ResourceLimitExceeded", EXAMPLES + "1543"),
    Recorded(
        "ResourceLimitExceeded: The requested resource training-job/ml.t3.medium is not available in this region",
        Failure.QUOTA,
        "ResourceLimitExceeded: The requested resource",
        "CreateTrainingJob by a pipeline, 2024-10-17 (SAGEMAKER_RESOURCE_LIMIT)",
    ),
    Recorded(
        driver(
            "botocore.exceptions.ClientError: An error occurred (ThrottlingException) when calling the "
            "CreateTrainingJob operation (reached max retries: 4): Rate exceeded"
        ),
        Failure.THROTTLING,
        "botocore.exceptions.ClientError",
        SDK + "645",
    ),
    Recorded(
        driver("botocore.exceptions.NoCredentialsError: Unable to locate credentials"),
        Failure.CREDENTIALS,
        "botocore.exceptions.NoCredentialsError",
        "botocore's own wording, our driver",
    ),
    Recorded(
        "Something nobody has seen\nin two lines", Failure.UNKNOWN, "Something nobody has seen\nin two lines", "made up"
    ),
    Recorded("", Failure.UNKNOWN, "", "made up"),
]

# Words that stand in a text, and are not its cause.
INNOCENT = [
    driver("ValueError: x", detail="ImportError: handled long ago\nModuleNotFoundError: No module named 'apex'"),
    driver("KeyError: 'out_of_memory'"),
    driver("RuntimeError: NCCL error", detail="CUDA out of memory. Tried again with a smaller batch"),
    driver("OSError: [Errno 28] No space left on device"),
    driver("AssertionError: MemoryError was expected"),
    script_error("ValueError: unknown option ModuleNotFoundError"),
    script_error("FileNotFoundError: requirements.txt"),
    "AlgorithmError: Exit Code: 139",
    "AlgorithmError: Exit Code: 1370",
    'AlgorithmError: ExecuteUserScriptError:\nCommand "python train.py --oom MemoryError --on ImportError"',
    "ClientError: Data download failed: s3://bucket/ImportError/137 does not exist",
]


@pytest.mark.parametrize("text", TEXTS, ids=[f"{n}-{text.source}" for n, text in enumerate(TEXTS)])
def test_a_recorded_text_is_classified_and_its_cause_found(text: Recorded) -> None:
    """A FailureReason, with the end of the log where there is one, gives its class and the line a person needs."""
    assert classify(text.reason, text.tail) is text.failure
    assert root_cause(text.reason, text.tail).startswith(text.cause)
    assert text.cause or root_cause(text.reason) or not text.reason


@pytest.mark.parametrize("reason", INNOCENT)
def test_a_word_that_is_not_the_cause_is_no_evidence(reason: str) -> None:
    """None of these is a dependency or out of memory."""
    assert classify(reason) in (Failure.ALGORITHM_ERROR, Failure.CLIENT_ERROR)


def test_the_log_is_asked_only_where_the_reason_names_no_cause() -> None:
    """An exit code and a command line are no cause; an exception is, whatever else the log says."""
    assert is_vague("AlgorithmError: Exit Code: 1") and is_vague(NO_DETAIL)
    assert not is_vague(driver("ValueError: x")) and not is_vague(script_error("ValueError: x"))
    assert classify(driver("ValueError: x"), tail="MemoryError") is Failure.ALGORITHM_ERROR
    assert classify("AlgorithmError: Exit Code: 1", tail="Killed") is Failure.OUT_OF_MEMORY
    assert root_cause("AlgorithmError: Exit Code: 1", tail="Segmentation fault") == "Segmentation fault"


TRACED = 'Traceback (most recent call last):\n  File "a/train.py", line 5, in <module>\n    {}\n{}'
SAID = {
    "plain exception": TRACED.format("main()", "Exception: x"),
    "own exception": TRACED.format("f()", "MyFailure: diverged"),
    "bare": TRACED.format("assert y", "AssertionError"),
    "two lines": TRACED.format("raise E()", "own.ParamError: Validation failed:\nInvalid length for parameter Key"),
    "indented": TRACED.format("load()", "yaml.ScannerError: while scanning a key\n  in train.yaml, line 1"),
    "exit": "no data in the channel",
    "argparse": "usage: train.py [-h] [--lr LR]\ntrain.py: error: unrecognized arguments: --lrr 0.1",
    "warned": "no such recipe\n/usr/lib/x.py:15: DeprecationWarning: old\nwandb: 1 file synced\n------",
}


def toolkit(said: str, *, capture: bool) -> tuple[str, str]:
    """(FailureReason, end of the log) of a script that has said this, under the sagemaker-training toolkit."""
    failure = (
        f'ExecuteUserScriptError:\nExitCode 1\nErrorMessage "{said if capture else ""}"\nCommand "python train.py"'
    )
    began = "2030-01-01 10:00:00,539 sagemaker-training-toolkit INFO     Invoking user script\nEpoch 1 done\n"
    status = "2030-01-01 10:00:01,100 sagemaker-training-toolkit ERROR    Reporting training FAILURE\n"
    return f"AlgorithmError: {failure}, exit code: 1", f"{began}{said}\n{status}{failure}"


@pytest.mark.parametrize("capture", [True, False])
@pytest.mark.parametrize("said", SAID.values(), ids=SAID)
def test_whatever_starts_a_script_its_cause_is_the_same(said: str, capture: bool) -> None:
    """The toolkit's reason and log, with its stderr or without, give the line that our own driver gives."""
    expected = causes.cause_and_detail(1, said.splitlines(), [])[0]
    reason, tail = toolkit(said, capture=capture)
    assert root_cause(reason, tail if is_vague(reason) else "") == expected
    assert classify(reason, tail) is Failure.ALGORITHM_ERROR


@pytest.mark.parametrize(("code", "failure"), [(-9, Failure.OUT_OF_MEMORY), (-11, Failure.ALGORITHM_ERROR)])
def test_a_script_that_a_signal_ends_is_told_by_its_signal(code: int, failure: Failure) -> None:
    """The toolkit's container ends with 1 then; the command that its log begins with is no cause."""
    reason = f'AlgorithmError: ExecuteUserScriptError:\nExitCode {code}\nErrorMessage ""\nCommand "python train.py"'
    tail = f"Invoking script with the following command:\n\npython train.py\n\n{reason[16:]}"
    assert is_vague(reason + ", exit code: 1")
    assert root_cause(reason + ", exit code: 1", tail).startswith(causes.killer(code))
    assert classify(reason + ", exit code: 1", tail) is failure


def test_pip_is_told_in_its_own_words() -> None:
    """The toolkit's error for requirements names none of them; the log does."""
    reason = 'AlgorithmError: InstallRequirementsError:\nCommand "python -m pip install -r requirements.txt"'
    tail = "ERROR: No matching distribution found for nowhere==9\n[notice] A new release of pip\n" + reason[16:]
    assert is_vague(reason)
    assert classify(reason) is classify(reason, tail) is Failure.DEPENDENCY
    assert root_cause(reason, tail) == "ERROR: No matching distribution found for nowhere==9"


def test_the_exit_code_is_read_in_every_wording() -> None:
    """The toolkit, the service and our driver each have their own."""
    found = [
        exit_code(t) for t in ("AlgorithmError: Exit Code: 139", script_error("", 2), driver("x", 3), "ClientError: x")
    ]
    assert found == [139, 2, 3, None]


def test_forty_texts_and_every_row_of_the_table() -> None:
    """No row without a recorded text, and enough of them."""
    assert len({text.reason for text in TEXTS}) >= 40
    assert {failure for failure in Failure if failure.row.cause} <= {text.failure for text in TEXTS}
