"""The service as the jobs of one account: what another caller does not see is no proof that it is not there."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from sweeper.aws.clients import Clients
from sweeper.core.ports import Description, Page, Request, TrainingApi
from sweeper.errors import ApiError, ApiErrorKind


@dataclass(frozen=True)
class OfAccount:
    """The TrainingApi port for the jobs of this account. Credentials are renewed, and may become somebody else's.

    What is answered is proof of itself. What is missing is believed, and a job is made, only where the caller was seen
    to be of the account; else there is an ApiError of the kind WRONG_ACCOUNT.
    """

    service: TrainingApi
    clients: Callable[[], Clients]
    account: str
    """Its number, of 12 digits."""

    def create_training_job(self, request: Request) -> str:
        """CreateTrainingJob."""
        self._prove()
        return self.service.create_training_job(request)

    def describe_training_job(self, name: str) -> Description:
        """DescribeTrainingJob."""
        try:
            return self.service.describe_training_job(name)
        except ApiError as error:
            if error.kind is ApiErrorKind.NOT_FOUND:
                self._prove()
            raise

    def stop_training_job(self, name: str) -> None:
        """StopTrainingJob."""
        self.service.stop_training_job(name)

    def update_training_job(self, name: str, keep_alive_s: int) -> None:
        """UpdateTrainingJob."""
        self.service.update_training_job(name, keep_alive_s)

    def list_training_jobs(self, token: str = "") -> Page:
        """ListTrainingJobs."""
        self._prove()
        return self.service.list_training_jobs(token)

    def search_training_jobs(self, mark: str, since: float) -> Iterable[Description]:
        """Search."""
        self._prove()
        return self.service.search_training_jobs(mark, since)

    def _prove(self) -> None:
        prove(self.clients(), self.account)


def prove(clients: Clients, account: str) -> None:
    """Raises ApiError when the caller is of another account, or cannot be asked."""
    if text := clients.caller.not_of(account):
        clients.renew()
        raise ApiError(ApiErrorKind.WRONG_ACCOUNT, "GetCallerIdentity", "WrongAccount", text)
