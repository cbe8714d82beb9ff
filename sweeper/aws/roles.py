"""Roles of IAM as they are: their ARNs with their paths, and whether SageMaker may take them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sweeper.aws.clients import Clients, looking
from sweeper.errors import ApiError

SERVICE = "sagemaker.amazonaws.com"


@dataclass(frozen=True)
class Role:
    """A role as IAM shows it."""

    arn: str
    trusts_sagemaker: bool


def find(clients: Clients, name: str) -> Role | None:
    """The role of this name, without its path; None when there is none. Raises ApiError."""
    client = looking(clients, "iam")
    try:
        with clients.asked("GetRole"):
            found = client.get_role(RoleName=name)["Role"]
    except ApiError as error:
        if error.code == "NoSuchEntity":
            return None
        raise
    return Role(str(found["Arn"]), _trusts(found.get("AssumeRolePolicyDocument") or {}))


def _trusts(document: Any) -> bool:
    """Does a trust policy speak of SageMaker, in whatever form it does?"""
    statements = document.get("Statement") if isinstance(document, Mapping) else None
    return SERVICE in json.dumps(statements) or '"*"' in json.dumps(statements)
