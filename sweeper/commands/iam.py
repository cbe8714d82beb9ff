"""`sweeper iam`: the least that IAM has to allow, as the document that it takes. Nothing is changed."""

from __future__ import annotations

import json
from collections.abc import Sequence

from sweeper import config
from sweeper.aws.clients import Endpoint
from sweeper.commands.parsing import Parser
from sweeper.commands.say import complain, tell
from sweeper.core import policy
from sweeper.core.model import Sweep
from sweeper.core.policy import For, Place, Uses
from sweeper.errors import SweeperError
from sweeper.run.connect import connect


def main(arguments: Sequence[str]) -> int:
    """Print a policy; returns the exit code."""
    parser = Parser(
        prog="sweeper iam",
        usage="sweeper iam [+experiment=NAME [KEY=VALUE ...]] [--for runner|watchdog|execution|smoke]",
        description="Print the least policy that an experiment needs, as the JSON document that IAM takes: for who "
        "runs it, for its watchdog alone (which releases the pool of a runner that died), for locked.role_arn, which "
        "the jobs run as, or for who types `sweeper doctor --smoke`. Statements whose Sid begins with Optional may be "
        "left out: what they allow is only looked at, or brought by `sweeper pull`. What is not known stands there as "
        "ACCOUNT, REGION, ROLE or YOUR-ROLE, and is told on stderr. With engine=aws the account is asked who you are; "
        "nothing else is sent. Without an experiment: one that keeps to the defaults.",
    )
    parser.add_argument("--for", dest="who", choices=[one.value for one in For], default=For.RUNNER.value)
    options, overrides = parser.parse_known_args(arguments)
    who = For(options.who)
    if not overrides:
        return _show(who, policy.anything(_place()))
    return config.run(overrides, lambda sweep: _show(who, policy.uses(sweep, _place(sweep))), prog="sweeper iam")


def _show(who: For, used: Uses) -> int:
    document = policy.policy(who, used)
    tell(json.dumps(document, indent=2))
    if unknown := policy.placeholders(document):
        complain(f"replace what is not known here: {', '.join(unknown)}")
    return 0


def _place(sweep: Sweep | None = None) -> Place:
    """Where it runs: as the account says, else as the role and the environment do."""
    if sweep and sweep.engine.on_aws:
        try:
            return _asked(sweep)
        except SweeperError as error:
            complain(f"warning: the account could not be asked: {error}")
    options = sweep.engine_options if sweep else {}
    region = Endpoint(region=options.get("region")).known_region or policy.REGION
    if sweep is None:
        return Place(region=region)
    _, partition, _, _, account, _ = str(sweep.locked["role_arn"]).split(":", 5)
    return Place(partition, region, account)


def _asked(sweep: Sweep) -> Place:
    """As the account says. Raises SweeperError when it cannot be asked."""
    connection = connect(sweep, reading=True)
    caller = connection.clients().caller.arn
    return Place(caller.split(":")[1], connection.scope.region, connection.scope.account, caller)
