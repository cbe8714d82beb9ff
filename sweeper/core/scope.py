"""Where a sweep happens: which kind of engine answers, in which account and Region."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

NO_ACCOUNT = "0" * 12
"""Stands for the account while nobody has asked which one it is."""


class EngineKind(str, Enum):
    """What answers the API."""

    LOCAL = "local"
    AWS = "aws"

    @property
    def on_aws(self) -> bool:
        """Do its jobs run in an account, where they are paid for?"""
        return self is EngineKind.AWS


@dataclass(frozen=True)
class Scope:
    """Where a sweep happens. Belongs to the folder and the job names, never to a trial's identity."""

    engine: EngineKind
    account: str
    region: str

    def folder(self, name: str) -> str:
        """The folder of a sweep below `runs/`."""
        return f"{name}@{self.account}.{self.region}" if self.engine.on_aws else name

    @classmethod
    def of(cls, folder: str) -> tuple[str, Scope]:
        """The sweep's name and its scope, by the name of its folder. A local one tells no account and no region."""
        name, at, where = folder.rpartition("@")
        account, _, region = where.partition(".")
        return (name, cls(EngineKind.AWS, account, region)) if at else (folder, cls(EngineKind.LOCAL, "", ""))
