"""`sweeper complete`: tab completion of verbs, sweeps, trials, and of everything that Hydra can complete.

Of our own: shtab writes scripts of what parsers know, which is not the values, sweeps and trials that are asked for
here; argcomplete would want one parser of every verb with completers on its arguments: more code than these scripts.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
from collections.abc import Iterator, Sequence

from sweeper import config
from sweeper.commands import VERBS, Verb, sweeps
from sweeper.commands.parsing import Parser
from sweeper.commands.say import tell
from sweeper.config import project
from sweeper.errors import SweeperError
from sweeper.record.stored import folders

EXPERIMENT = "+experiment="
RUN_FLAGS = ("--json", "--events jsonl", "--detach")
"""What a run takes beside Hydra's words."""

BASH = """\
_sweeper_complete() {
    local IFS=$'\\n' cur=${COMP_LINE:0:COMP_POINT}
    cur=${cur##* }
    COMPREPLY=($(COMP_LINE="$COMP_LINE" COMP_POINT="$COMP_POINT" sweeper complete words 2>/dev/null))
    # bash breaks words at = and : and wants only what follows the last of them
    if [[ $cur == *[=:]* ]]; then
        local head=${cur%"${cur##*[=:]}"}
        COMPREPLY=("${COMPREPLY[@]#"$head"}")
    fi
}
complete -o nospace -o default -F _sweeper_complete sweeper
"""
ZSH = """\
_sweeper_complete() {
    local -a found
    found=("${(@f)$(COMP_LINE="$BUFFER" COMP_POINT="$CURSOR" sweeper complete words 2>/dev/null)}")
    compadd -Q -S '' -- ${found:#}
}
compdef _sweeper_complete sweeper
"""
FISH = """\
function __sweeper_complete
    set -l line (commandline -cp)
    COMP_LINE=$line COMP_POINT=(string length -- $line) sweeper complete words 2>/dev/null | string trim --right
end
complete -c sweeper -f -a '(__sweeper_complete)'
"""
SCRIPTS = {"bash": BASH, "zsh": ZSH, "fish": FISH}


def main(arguments: Sequence[str]) -> int:
    """Print the script, or (for the script) the candidates; returns the exit code."""
    parser = Parser(
        prog="sweeper complete",
        description='Tab completion for the console script: put eval "$(sweeper complete bash)" into .bashrc, '
        'eval "$(sweeper complete zsh)" into .zshrc behind compinit, or "sweeper complete fish | source" into '
        "config.fish.",
    )
    parser.add_argument("action", choices=[*SCRIPTS, "words"], help="words: what the script asks for at each tab")
    action = parser.parse_args(arguments).action
    if action in SCRIPTS:
        tell(SCRIPTS[action], end="")
        return 0
    line = os.environ.get("COMP_LINE", "")
    text = line[: int(os.environ.get("COMP_POINT") or len(line))]
    tell("".join(f"{word}\n" for word in candidates(text)), end="")
    return 0


def candidates(text: str) -> list[str]:
    """What may stand where this command line ends; a blank at the end means that the word is whole."""
    words = text.split(" ")
    before, current = [word for word in words[1:-1] if word], words[-1]
    verb = VERBS.get(before[0]) if before else None
    if verb and not verb.composes:
        found = [f"{word} " for word in _of_verb(verb, before[1:])]
    elif verb:
        found = [*(f"{word} " for word in _flags(verb)), EXPERIMENT, *_hydra([*before[1:], current])]
    else:
        found = [f"{word} " for word in (RUN_FLAGS if before else VERBS)]
        found += [EXPERIMENT, *_hydra([*before, current])]
    fitting = dict.fromkeys(word for word in found if word.startswith(current))
    return [word for word in fitting if f"{word}=" not in fitting]  # Hydra offers `+experiment` beside `+experiment=`


def _of_verb(verb: Verb, before: Sequence[str]) -> Iterator[str]:
    given = [word for word in before if not word.startswith("-")]
    yield from _flags(verb)
    if verb.takes_sweep and not given:
        yield from (folder.name for folder in folders(project.here()))
    elif verb.takes_trial and len(given) == 1:
        yield from [sweeps.BEST] * verb.takes_best
        with contextlib.suppress(SweeperError):
            yield from (trial.name for trial in sweeps.find(given[0]).declared.trials)


def _flags(verb: Verb) -> list[str]:
    """The flags and the choices that the verb's own help tells of."""
    told = io.StringIO()
    with contextlib.redirect_stdout(told), contextlib.suppress(SystemExit):
        verb.main(["--help"])
    flags = re.findall(r"(?<![\w-])--?[a-z][\w-]*", told.getvalue())
    choices = [word for group in re.findall(r"\{([\w,]+)\}", told.getvalue()) for word in group.split(",")]
    return list(dict.fromkeys([*choices, *flags]))


def _hydra(words: Sequence[str]) -> list[str]:
    """What Hydra offers for these overrides, the last of which is being typed."""
    before = {key: os.environ.get(key) for key in ("COMP_LINE", "COMP_POINT")}
    line = " ".join(["sweeper", *words])
    os.environ.update(COMP_LINE=line, COMP_POINT=str(len(line)))
    told = io.StringIO()
    try:
        with contextlib.redirect_stdout(told), contextlib.suppress(SweeperError, SystemExit):
            config.run(["-sc", "query=bash"], lambda sweep: 0)
    finally:
        for key, value in before.items():
            os.environ.pop(key) if value is None else os.environ.__setitem__(key, value)
    return told.getvalue().split()
