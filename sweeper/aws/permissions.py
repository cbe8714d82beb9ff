"""What the caller may do, asked of IAM's policy simulator: nothing is tried, nothing is changed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from sweeper.aws.clients import Clients
from sweeper.aws.errors import mapped

_SESSION = re.compile(r"(arn:[\w-]+):sts::(\d+):assumed-role/([^/]+)/.*\Z")


@dataclass
class Permissions:
    """The caller's permissions on a training job of this name."""

    clients: Clients
    job: str

    def may(self, action: str, keep_alive_s: int) -> bool | None:
        """May the caller do this with this keep-alive (seconds)? None when a policy asks for more than is known here.

        Raises ApiError when IAM cannot be asked.
        """
        keep_alive = {
            "ContextKeyName": "sagemaker:KeepAlivePeriod",
            "ContextKeyValues": [str(keep_alive_s)],
            "ContextKeyType": "numeric",
        }
        with mapped("SimulatePrincipalPolicy"):
            answer = self.clients.client("iam").simulate_principal_policy(
                PolicySourceArn=self._source,
                ActionNames=[action],
                ResourceArns=[self._resource],
                ContextEntries=[keep_alive],
            )
        (result,) = answer["EvaluationResults"]
        if result["EvalDecision"] == "allowed":
            return True
        return None if result.get("MissingContextValues") else False

    @cached_property
    def _caller(self) -> dict[str, Any]:
        with mapped("GetCallerIdentity"):
            return dict(self.clients.client("sts").get_caller_identity())

    @property
    def _source(self) -> str:
        """The role behind a session; the simulator knows no sessions."""
        return _SESSION.sub(r"\1:iam::\2:role/\3", str(self._caller["Arn"]))

    @property
    def _resource(self) -> str:
        partition = str(self._caller["Arn"]).split(":")[1]
        region = self.clients.session.region_name
        return f"arn:{partition}:sagemaker:{region}:{self._caller['Account']}:training-job/{self.job}"
