"""What the caller may do, asked of IAM's policy simulator: nothing is tried, nothing is changed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from sweeper.aws import roles
from sweeper.aws.clients import Clients, looking
from sweeper.errors import ApiError, ApiErrorKind

_SESSION = re.compile(r"(arn:[\w-]+):sts::(\d+):assumed-role/([^/]+)/.*\Z")


@dataclass(frozen=True)
class Wanted:
    """An action on a resource, with what the request will say of the keys of conditions."""

    action: str
    resource: str
    context: Mapping[str, str | int] = field(default_factory=dict)


@dataclass
class Permissions:
    """The permissions of who signs."""

    clients: Clients
    _out_of_reach: ApiError | None = field(default=None, init=False)
    """Why IAM did not answer: it is not waited for again."""

    def may(self, wanted: Wanted) -> bool | None:
        """May the caller do this? None when a policy asks for more than is known here.

        Raises ApiError when IAM cannot be asked.
        """
        if self._out_of_reach:
            raise self._out_of_reach
        try:
            return self._simulated(wanted)
        except ApiError as error:
            if error.kind.outcome_unknown:
                self._out_of_reach = error
            raise

    def _simulated(self, wanted: Wanted) -> bool | None:
        source, client = self._source, looking(self.clients, "iam")
        entries = [
            {
                "ContextKeyName": key,
                "ContextKeyValues": [str(value)],
                "ContextKeyType": "numeric" if isinstance(value, int) else "string",
            }
            for key, value in wanted.context.items()
        ]
        with self.clients.asked("SimulatePrincipalPolicy"):
            answer = client.simulate_principal_policy(
                PolicySourceArn=source,
                ActionNames=[wanted.action],
                ResourceArns=[wanted.resource],
                ContextEntries=entries,
            )
        (result,) = answer["EvaluationResults"]
        if result["EvalDecision"] == "allowed":
            return True
        return None if result.get("MissingContextValues") else False

    @cached_property
    def _source(self) -> str:
        """The role behind a session with its path, which the session does not tell; the simulator knows no sessions."""
        arn = self.clients.caller.arn
        session = _SESSION.match(arn)
        if session is None:
            return arn
        try:
            found = roles.find(self.clients, session[3])
        except ApiError as error:
            if error.kind is not ApiErrorKind.DENIED:
                raise
            found = None
        return found.arn if found else f"{session[1]}:iam::{session[2]}:role/{session[3]}"
