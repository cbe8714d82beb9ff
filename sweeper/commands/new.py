"""`sweeper new`: an experiment of one's own that begins as one of the templates."""

from __future__ import annotations

from collections.abc import Sequence

from sweeper.commands import making
from sweeper.commands.parsing import Parser
from sweeper.config import project, templates


def main(arguments: Sequence[str]) -> int:
    """Copy a template with its script under another name; returns the exit code."""
    parser = Parser(
        prog="sweeper new",
        description="An experiment of your own that begins as a copy of a template: its file in experiments/ and its "
        "script in experiments/scripts/, under the new name. What is there already is never overwritten.",
    )
    parser.add_argument("experiment", help="what the new experiment is called")
    parser.add_argument(
        "--from",
        dest="template",
        choices=templates.names(),
        default=templates.FIRST,
        help=f"what it begins as; default: {templates.FIRST}, which needs Python alone",
    )
    options = parser.parse_args(arguments)
    templates.check_name(options.experiment)
    root = project.here()
    making.made(root, templates.named(options.template, options.experiment))
    needs = (
        [] if options.template == templates.FIRST else [("pip install 'sweeper[examples]'", "what its script imports")]
    )
    making.tell_next(root, options.experiment, *needs)
    return 0
