"""A request that AWS Batch cannot carry: what of it goes by way of S3."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sweeper.core.carried import lightened, too_large, too_large_still, values
from sweeper.core.queued import PAYLOAD_MAX, payload
from sweeper.errors import UsageError

WHERE = "s3://bucket/_values/0/"
LARGE = {"z": "3", "a": "1" * 2000, **{f"n{number}": "2" * 2400 for number in range(4)}, "b": "4"}


def request(hyperparameters: dict[str, str], own: str = "sweeper", inputs: int = 1, **more: Any) -> dict[str, Any]:
    """A Create whose code our driver starts, unless its channel has another name."""
    names = [own, *(f"in{number}" for number in range(inputs))]
    source = {"S3DataType": "S3Prefix", "S3DataDistributionType": "FullyReplicated", "S3Uri": "s3://bucket/_sources/0/"}
    channels = [{"ChannelName": name, "DataSource": {"S3DataSource": source}} for name in names]
    made = {
        "TrainingJobName": "s0",
        "AlgorithmSpecification": {"TrainingImage": "i"},
        "HyperParameters": hyperparameters,
    }
    return {**made, "InputDataConfig": channels, "Tags": [{"Key": "k", "Value": "v" * 20_000}], **more}


def test_as_few_hyperparameters_as_must_go_by_way_of_s3_and_none_is_lost() -> None:
    """The largest ones go; the file has all of them in the order of their arguments; what fits stays as it is."""
    small = request({"a": "1"})
    assert not too_large(small)  # tags are the service job's
    large = request(LARGE)
    assert too_large(large)
    light = lightened(large, WHERE)
    assert len(payload(light)) <= PAYLOAD_MAX and too_large_still(light) == ""
    assert list(light["HyperParameters"]) == ["z", "a", "n1", "n2", "n3", "b"]
    channel = light["InputDataConfig"][-1]
    assert channel["ChannelName"] == "sweeper_values" and channel["DataSource"]["S3DataSource"]["S3Uri"] == WHERE
    assert light["InputDataConfig"][:-1] == large["InputDataConfig"]
    (written,) = values(large).values()
    assert list(json.loads(written).items()) == list(LARGE.items())
    environment = {"Environment": {"E": "e" * 9900}}
    assert "HyperParameters" not in lightened(request({"a": "1" * 900}, **environment), WHERE)


def test_what_cannot_be_carried_is_told_with_what_to_do() -> None:
    """Another way to start the script, no room for the channel, and what is large beside hyperparameters."""
    other = request(LARGE, own="data")
    assert not too_large(other) and "with job.launch=driver hyperparameters may be large" in too_large_still(other)
    with pytest.raises(UsageError, match="have 18 inputs at most"):
        lightened(request(LARGE, inputs=19), WHERE)
    heavy = lightened(request(LARGE, Environment={"E": "e" * 11_000}), WHERE)
    assert too_large_still(heavy).endswith("carries 10240: shorten environment, metrics or inputs")
