"""The defaults file of SageMaker's SDK says what an experiment leaves out, and no more."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.config.conftest import Project

WITHOUT_ROLE = """\
locked: {instance_type: ml.m5.large}
job:
  image_uri: repository/train:1
  source_dir: code
  entry_script: train.py
  max_runtime_s: 600
"""
ADMINS = """\
SchemaVersion: '1.0'
SageMaker:
  TrainingJob:
    RoleArn: arn:aws:iam::123456789012:role/everybody
    VpcConfig:
      Subnets: [subnet-0a]
      SecurityGroupIds: [sg-0a]
    EnableNetworkIsolation: true
"""
USERS = """\
SchemaVersion: '1.0'
SageMaker:
  PythonSDK:
    Modules:
      Session:
        DefaultS3Bucket: ours
        DefaultS3ObjectKeyPrefix: ml/
  TrainingJob:
    RoleArn: arn:aws:iam::123456789012:role/mine
    OutputDataConfig: {KmsKeyId: key-of-models}
    ResourceConfig: {VolumeKmsKeyId: key-of-disks}
"""


@pytest.fixture
def files(project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project whose experiment names no role, an administrator's file, and a user's where the SDK looks for it."""
    project.write("experiments/x.yaml", WITHOUT_ROLE)
    monkeypatch.setenv("SAGEMAKER_ADMIN_CONFIG_OVERRIDE", str(project.write("admin/config.yaml", ADMINS).parent))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(project.root / "own"))
    project.write("own/sagemaker/config.yaml", USERS)
    return project


def test_what_an_experiment_leaves_out(files: Project) -> None:
    """Of each key the user's file counts before the administrator's, and its place is told."""
    sweep = files.sweep()
    assert sweep.locked["role_arn"] == "arn:aws:iam::123456789012:role/mine"
    assert (sweep.locked["subnets"], sweep.locked["enable_network_isolation"]) == (["subnet-0a"], True)
    assert sweep.locked["volume_kms_key_id"] == "key-of-disks"
    assert sweep.composed["job"]["output_path"] == "s3://ours/ml/sweeper/x"
    assert sweep.composed["job"]["output_kms_key_id"] == "key-of-models"
    assert sweep.given_by["locked.role_arn"] == "own/sagemaker/config.yaml:9:5"
    assert sweep.given_by["locked.subnets"] == "admin/config.yaml:6:7"
    assert sweep.given_by["job.output_path"] == "own/sagemaker/config.yaml:6:9"


def test_what_is_said_counts(files: Project) -> None:
    """The experiment and the command line have the last word, and a null of theirs is one."""
    files.write("experiments/x.yaml", WITHOUT_ROLE.replace("{inst", "{subnets: null, security_group_ids: null, inst"))
    sweep = files.sweep("locked.role_arn=arn:aws:iam::123456789012:role/other", "job.output_path=s3://here")
    assert sweep.locked["role_arn"].endswith("other")
    assert sweep.composed["job"]["output_path"] == "s3://here"
    assert (sweep.locked["subnets"], sweep.locked["security_group_ids"]) == (None, None)
    assert not {"locked.role_arn", "locked.subnets", "job.output_path"} & sweep.given_by.keys()
    assert not files.sweep("locked.enable_network_isolation=false").locked["enable_network_isolation"]


def test_the_usual_bucket_says_nothing(files: Project) -> None:
    """The default bucket of an account is ours as well: its experiments go on to share what they stage there."""
    usual = USERS.replace("DefaultS3Bucket: ours", "DefaultS3Bucket: sagemaker-eu-west-1-123456789012")
    files.write("own/sagemaker/config.yaml", usual.replace("        DefaultS3ObjectKeyPrefix: ml/\n", ""))
    assert not files.sweep().composed["job"]["output_path"]
    files.write("own/sagemaker/config.yaml", usual)
    assert files.sweep().composed["job"]["output_path"] == "s3://sagemaker-eu-west-1-123456789012/ml/sweeper/x"


def test_what_is_wrong_is_told_in_that_file(files: Project) -> None:
    """A value that does not fit is refused with its place in the defaults file."""
    files.write("own/sagemaker/config.yaml", USERS.replace("role/mine", "group/mine"))
    (line,) = files.refused()
    assert line.startswith("own/sagemaker/config.yaml:9:5: locked.role_arn: ")


def test_what_is_not_read(files: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A file that is named and not there, another version: refused; one in S3: left alone, with a word about it."""
    monkeypatch.setenv("SAGEMAKER_USER_CONFIG_OVERRIDE", "nowhere.yaml")
    assert files.refused() == ["SAGEMAKER_USER_CONFIG_OVERRIDE: there is no file nowhere.yaml"]
    monkeypatch.setenv("SAGEMAKER_USER_CONFIG_OVERRIDE", "s3://bucket/config.yaml")
    sweep = files.sweep()
    assert sweep.locked["role_arn"].endswith("everybody")
    assert any("SAGEMAKER_USER_CONFIG_OVERRIDE is s3://bucket/config.yaml" in word for word in sweep.warnings)
    monkeypatch.setenv("SAGEMAKER_USER_CONFIG_OVERRIDE", str(tmp_path / "2.yaml"))
    files.write("2.yaml", "SchemaVersion: '2.0'\n")
    assert files.refused() == ["2.yaml:1:1: SchemaVersion: '2.0' is not read: the SDK's defaults have '1.0'"]
