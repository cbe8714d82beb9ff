"""Credentials that ran out: what renews them, in the words that a person types. Pure."""

from __future__ import annotations

import re

_SSO = ("TokenRetrievalError", "SSOTokenLoadError", "UnauthorizedSSOTokenError")
_LOGIN = ("LoginError", "LoginRefreshRequired", "LoginTokenLoadError", "LoginAuthorizationCodeError")
ENVIRONMENT = "env"
"""botocore's name for credentials that come from environment variables."""


_ADVICE = re.compile(r"\.? To refresh this SSO session run aws sso login.*", re.DOTALL)
"""botocore's own, which knows no profile."""


def without_advice(message: str) -> str:
    """What botocore says of expired credentials, and nothing of what to do about them."""
    return _ADVICE.sub("", message)


def renewal(code: str, method: str, profile: str) -> str:
    """What to do about expired credentials, by botocore's error, its name of where they come from, and the profile."""
    of = "" if profile in ("", "default") else f" --profile {profile}"
    if code in _SSO or method == "sso":
        return f"run `aws sso login{of}`"
    if code in _LOGIN or method == "login":
        return f"run `aws login{of}`"
    if method == ENVIRONMENT:
        return (
            "they come from environment variables, which cannot change while this runs: stop it with Ctrl-C, "
            "set new ones and type the same command again"
        )
    return f"renew those of the profile {profile or 'default'}"
