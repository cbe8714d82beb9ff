"""China, GovCloud and the rest: every endpoint and every ARN is of the partition that the Region is in."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest

from sweeper.aws.clients import Clients, Endpoint
from sweeper.engine.around.quotas import Quotas
from sweeper.engine.training.settings import ServiceSettings
from sweeper.engine.wire.permissions import Permissions

PARTITIONS = {
    "aws": ("eu-west-1", "amazonaws.com"),
    "aws-cn": ("cn-north-1", "amazonaws.com.cn"),
    "aws-us-gov": ("us-gov-west-1", "amazonaws.com"),
}
SERVICES = ("sagemaker", "batch", "s3", "logs", "sts", "iam", "service-quotas")
anywhere = pytest.mark.parametrize("partition", PARTITIONS)


@anywhere
def test_every_service_is_reached_in_its_partition(partition: str) -> None:
    """The host that botocore would send to."""
    region, domain = PARTITIONS[partition]
    clients = Clients(Endpoint(region=region, access_key="x", secret_key="x"))
    hosts = [urlsplit(clients.client(service).meta.endpoint_url).hostname or "" for service in SERVICES]
    assert all(host.endswith(f".{domain}") for host in hosts), hosts
    assert clients.session.get_partition_for_region(region) == partition


@anywhere
def test_the_engine_has_the_arns_of_its_region(partition: str) -> None:
    """Jobs, queues, quotas, and whom it refuses; the partition is the one that botocore knows."""
    region, _ = PARTITIONS[partition]
    settings = ServiceSettings(region=region, deny=["logs:*"])
    assert settings.prefix_of("batch") == f"arn:{partition}:batch:{region}:123456789012"
    assert f"User: arn:{partition}:sts::" in Permissions(settings).refused("logs:GetLogEvents").message
    (first, *_) = Quotas(settings).call("ListAWSDefaultServiceQuotas", {"ServiceCode": "sagemaker"})["Quotas"]
    assert first["QuotaArn"].startswith(f"arn:{partition}:servicequotas:{region}:")


def test_the_engine_and_botocore_agree_on_every_region() -> None:
    """For every Region of every partition in which botocore knows SageMaker."""
    session: Any = boto3.Session()
    for partition in session.get_available_partitions():
        for region in session.get_available_regions("sagemaker", partition_name=partition):
            assert ServiceSettings(region=region).partition == partition
