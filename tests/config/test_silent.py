"""What SageMaker would take and not do is refused where it is written."""

from __future__ import annotations

from typing import Any

import pytest

ISOLATED = "locked.enable_network_isolation=true"
GROUPS, SUBNETS = "locked.security_group_ids=[sg-1]", "locked.subnets=[subnet-1]"
REFUSED = {
    "groups without subnets": (
        [GROUPS],
        "locked.security_group_ids: needs locked.subnets too: without them a job runs outside of the VPC",
    ),
    "subnets without groups": (
        [SUBNETS],
        "locked.subnets: needs locked.security_group_ids too: SageMaker takes no VPC without them",
    ),
    "our channel": (
        ["+job.inputs.sweeper=s3://b/data"],
        "job.inputs.sweeper: brings the code under launch: driver: give your channel another name",
    ),
    "the channel of hyperparameters": (
        ["+job.inputs.sweeper_values=s3://b/data"],
        "job.inputs.sweeper_values: brings hyperparameters under launch: driver: give your channel another name",
    ),
    "our channel, swept": (
        ["+job.inputs.sweeper=s3://b/1,s3://b/2"],
        "job.inputs.sweeper: brings the code under launch: driver: give your channel another name",
    ),
    "the toolkit's channel": (
        [ISOLATED, "job.launch=driver,toolkit", "+job.inputs.code=s3://b/data", "+environment.PIP_NO_INDEX='1'"],
        "job.inputs.code: brings the code under launch: toolkit: give your channel another name",
    ),
    "a download": (
        ["+job.inputs.train=https://example.org/train.csv"],
        "job.inputs.train: must be s3://BUCKET/PREFIX or a folder of the project, not 'https://example.org/train.csv': "
        "a channel is no download",
    ),
    "a swept download": (
        ["+job.inputs.train=s3://b/1,gs://b/2"],
        "job.inputs.train: must be s3://BUCKET/PREFIX or a folder of the project, not 'gs://b/2': "
        "a channel is no download",
    ),
    "requirements without a network": (
        [ISOLATED, "job.requirements=deep/more.txt"],
        "job.requirements: deep/more.txt may need a network, and locked.enable_network_isolation gives the job none: "
        "put wheels into source_dir, and --no-index and --find-links FOLDER into the file",
    ),
    "a version without a network": (
        [ISOLATED, "+dependencies.numpy='2.0'"],
        "dependencies: sweeper-requirements.txt may need a network, and locked.enable_network_isolation gives the "
        "job none: put wheels into source_dir, and --no-index and --find-links FOLDER into the file",
    ),
    "what the toolkit installs unasked": (
        [ISOLATED, "job.launch=toolkit", "job.source_dir=code"],
        "job.source_dir: requirements.txt may need a network, and locked.enable_network_isolation gives the job none: "
        "put wheels into source_dir, and --no-index and --find-links FOLDER into the file",
    ),
    "requirements of an image": (
        ["job.launch=image", "job.container_entrypoint=[train]", "job.requirements=requirements.txt"],
        "job.requirements: is installed by nobody under launch: image, whose packages are the image's own: leave it "
        "out",
    ),
    "a version in an image": (
        ["job.launch=image", "job.container_entrypoint=[train]", "+dependencies.numpy='2.0'"],
        "dependencies: is installed by nobody under launch: image, whose packages are the image's own: leave it out",
    ),
    "two files for the toolkit": (
        ["job.launch=toolkit", "job.requirements=deep/more.txt"],
        "job.requirements: launch: toolkit would install requirements.txt, which lies in source_dir too, and not "
        "deep/more.txt: take one away",
    ),
    "a shell script for the toolkit": (
        ["job.launch=toolkit", "job.requirements=requirements.txt", "job.entry_script=train.sh"],
        "job.requirements: launch: toolkit installs requirements.txt for a Python script alone, not for 'train.sh'",
    ),
}
TAKEN = [
    [GROUPS, SUBNETS],
    [ISOLATED, "job.requirements=offline.txt"],
    [ISOLATED, "job.requirements=requirements.txt", "+environment.PIP_NO_INDEX='1'"],
    ["+job.inputs.code=s3://b/data"],
    ["job.launch=toolkit", "+job.inputs.sweeper=s3://b/data"],
    ["job.launch=toolkit", "job.requirements=requirements.txt"],
]


@pytest.fixture
def files(project: Any) -> Any:
    """A project with requirements of several kinds."""
    project.experiment()
    project.write("code/train.sh", "")
    project.write("code/requirements.txt", "numpy\n")
    project.write("code/deep/more.txt", "numpy # --no-index\n")
    project.write("code/offline.txt", "--no-index\n--find-links wheels\nnumpy\n")
    return project


@pytest.mark.parametrize("kind", REFUSED)
def test_what_would_be_dropped_in_silence_is_refused(files: Any, kind: str) -> None:
    """Before anything is staged, at its key, with what to do."""
    words, line = REFUSED[kind]
    assert files.refused(*words) == [f"command line: {line}"]


@pytest.mark.parametrize("words", TAKEN, ids=" ".join)
def test_what_is_done_as_it_is_told_is_taken(files: Any, words: list[str]) -> None:
    """The whole of a VPC, wheels of one's own, a channel of a name that is not ours under this launch."""
    files.sweep(*words)
