"""Secrets in a real run: none is left anywhere, and none of what a trial was given is taken for one."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator

from tests.end_to_end.conftest import Project, wait_for


def test_a_value_that_is_also_in_the_environment_is_trained_with_after_a_restart(project: Project) -> None:
    """An added trial whose value equals an environment variable's is run with that value, not with a mask."""
    path = project.root / "experiments/tiny.yaml"
    path.write_text(path.read_text().replace("fail: 0}", "fail: 0, task: positive}"))
    script = project.root / "experiments/scripts/tiny/train.py"
    script.write_text('print("score=1")\n')
    assert project.run("hyperparameters.x=1").code == 0
    assert project.verb("add", "tiny", "hyperparameters.x=2", "hyperparameters.task=negative").code == 0
    first = project.run("hyperparameters.x=1", "+environment.KIND=negative", "stop.max_trials=1")
    assert first.code == 0, first.err
    second = project.run("hyperparameters.x=1", "+environment.KIND=negative")
    assert second.code == 0, second.err
    given = project.jobs()[-1]["HyperParameters"]
    assert (given["x"], given["task"]) == ("2", "negative")
    assert "negative" in [row["hyperparameters.task"] for row in project.rows()]


PEM = "-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG9w0\nKZpNs8f+mQ3vE1xx\n-----END KEY-----"
PLANTED = {
    "FIVE": "xK9.q",
    "SEVEN": "hunter2",
    "TWENTY_ONE": "pl4nt3d-s3cr3t-v4lue1",
    "MOST": "0123456789abcdef" * 31 + "fedcba987654",
    "NUMBER": 4815162342,
    "PIN_TOKEN": 427,
    "PEM": PEM,
    "LONG": "T0pS3cret" * 50,
}
FORGED = "\x1b]0;title\x07\x9b31m\u202egnp"
"""What a terminal would obey, in this order: ESC, BEL, C1 and a mark that turns the direction of writing."""
OBEYED = ("\x1b]", "\x07", "\x9b", "\u202e")

PRINTING = """\
import base64, json, os, sys
planted = [os.environ[name] for name in os.environ["NAMES"].split("/")]
for text in planted:
    print("raw", text)
    print("repr", repr(text), "json", json.dumps(text))
    print("base64", base64.b64encode(text.encode()).decode())
    print("basic", base64.b64encode(b"me:" + text.encode()).decode())
print("all", planted, flush=True)
if sys.argv[2] == "3":
    print("score=3")
else:
    raise ValueError("x" * (480 if sys.argv[2] == "1" else 0) + " " + os.environ["LONG"] + FORGED)
"""


def plant(project: Project) -> None:
    """A sweep of three trials whose scripts print every secret, two of them in their error as well."""
    path = project.root / "experiments/tiny.yaml"
    given = {**PLANTED, "NAMES": "/".join(PLANTED)}
    path.write_text(path.read_text().replace("environment: {", f"environment: {{{json.dumps(given)[1:-1]}, "))
    script = project.root / "experiments/scripts/tiny/train.py"
    script.write_text(PRINTING.replace("FORGED", ascii(FORGED)))


def left(text: str) -> list[str]:
    """The secrets that stand in a text, in whole or half, in a form in which the script prints them."""
    found = {name for name, value in PLANTED.items() for form in printed(str(value)) if form in text}
    return sorted(found)


def printed(value: str) -> Iterator[str]:
    """A secret as it is and its half, line by line, as base64 alone and behind `me:`; a short one as a word."""
    lines = [line for line in value.split("\n") if not line.startswith("-----")]
    for part in lines:
        yield from (f" {part}\n", f"'{part}'") if len(part) < 5 else (part, part[: max(5, len(part) // 2)])
    for part in (*lines, value) if len(value) > 4 else ():
        yield base64.b64encode(part.encode()).decode().rstrip("=")
        yield base64.b64encode(f"me:{part}".encode()).decode()[4:-4]


def test_planted_secrets_are_in_no_file_no_output_and_no_report(project: Project) -> None:
    """Of 3 to 512 characters, numbers, of several lines; printed raw, by repr, as JSON and base64; cut in an error."""
    plant(project)
    ended = project.run()
    assert ended.code == 1, ended.err
    assert [row["status"] for row in project.rows()] == ["failed", "failed", "completed"]
    assert project.rows()[0]["message"].endswith("xxx ***")
    verbs = ("status tiny", "report tiny", "logs tiny 2", "list", "status tiny --json", "pools list")
    outputs = [project.verb(*verb.split()) for verb in verbs]
    shown = {verb: output.out + output.err for verb, output in zip(verbs, outputs, strict=True)}
    shown["run"] = ended.out + ended.err
    files = [path for path in (project.root / "runs").rglob("*") if path.is_file()]
    texts = {str(path): path.read_bytes().decode("utf-8", "replace") for path in files}
    logs = [text for name, text in texts.items() if name.endswith("log.txt")]
    assert len(logs) == 3
    assert all("raw ***" in text and "basic" in text for text in logs)
    assert {name: found for name, text in {**shown, **texts}.items() if (found := left(text))} == {}
    assert [name for name, text in shown.items() if any(character in text for character in OBEYED)] == []


def test_the_log_of_a_running_job_is_shown_without_its_secrets(project: Project) -> None:
    """`sweeper logs` asks the service for the log, and for what the job was given; base64 ends in a short line."""
    path = project.root / "experiments/tiny.yaml"
    secrets = f"TOKEN: hunter2, LONG: {''.join(map(str, range(100, 123)))}x"
    path.write_text(path.read_text().replace("environment: {", f"environment: {{{secrets}, "))
    script = project.root / "experiments/scripts/tiny/train.py"
    hold = project.root / "hold"
    hold.touch()
    told = 'import base64; print(base64.encodebytes(os.environ["LONG"].encode()).decode(), end="")\n'
    told += 'print("TOKEN is", os.environ["TOKEN"], "\\x9b31m", flush=True)\n'
    script.write_text(
        script.read_text().replace("time.sleep(a.wait)", f"{told}while os.path.exists({str(hold)!r}): time.sleep(0.02)")
    )
    running = project.start("hyperparameters.x=1")
    wait_for(lambda: "TOKEN is" in project.verb("logs", "tiny").out, "the log is there")
    shown = project.verb("logs", "tiny")
    hold.unlink()
    assert project.ended(running).code == 0
    assert shown.out == "***\nTOKEN is ***  31m\n"


def test_a_log_is_not_shown_when_nobody_tells_what_is_secret_in_it(project: Project) -> None:
    """The service that has the log does not say what its job was given: better no log than one with its secrets."""
    script = project.root / "experiments/scripts/tiny/train.py"
    script.write_text('import os\nprint("TOKEN is", os.environ["TOKEN"], "score=1")\n')
    assert project.run("hyperparameters.x=1", "+environment.TOKEN=hunter2").code == 0
    (stored,) = (project.root / "runs/tiny/trials").glob("*/log.txt")
    stored.unlink()
    assert project.verb("logs", "tiny", "1").out == "TOKEN is *** score=1\n"
    assert project.verb("engine", "stop").code == 0
    denying = ("--set", 'deny=["sagemaker:DescribeTrainingJob"]')
    assert project.verb("engine", "serve", "--detach", *denying).code == 0
    for more in ((), ("-f",)):
        shown = project.verb("logs", "tiny", "1", *more)
        assert (shown.code, shown.out) == (2, "")
        assert "does not tell its environment" in shown.err


def test_a_secret_that_was_another_when_the_job_was_sent_is_masked(project: Project) -> None:
    """A token is changed between two invocations: the job of the first one tells the old one, to the second."""
    path = project.root / "experiments/tiny.yaml"
    path.write_text(path.read_text().replace("environment: {", "environment: {TOKEN: '${oc.env:NOW}', "))
    hold = project.root / "hold"
    hold.touch()
    script = project.root / "experiments/scripts/tiny/train.py"
    waiting = "import os, time\nopen(os.environ['BEGAN'], 'w').write('1')\n"
    waiting += f"while os.path.exists({str(hold)!r}): time.sleep(0.02)\n"
    script.write_text(f"{waiting}print('TOKEN is', os.environ['TOKEN'])\nraise ValueError(os.environ['TOKEN'])\n")
    project.environment["NOW"] = "old-token-1111"
    running = project.start("hyperparameters.x=1", "pool.watchdog_grace_s=600")
    wait_for(project.begun, "it trains")
    running.kill()
    running.communicate()
    hold.unlink()
    project.environment["NOW"] = "new-token-2222"
    ended = project.run("hyperparameters.x=1", "pool.watchdog_grace_s=600")
    assert [row["message"] for row in project.rows()] == ["ValueError: ***"]
    files = [file for file in (project.root / "runs").rglob("*") if file.is_file()]
    told = {"run": ended.out + ended.err, **{str(file): file.read_bytes().decode("utf-8", "replace") for file in files}}
    assert [name for name, text in told.items() if "old-token" in text] == []
    (log,) = (project.root / "runs/tiny/trials").glob("*/log.txt")
    assert "TOKEN is ***" in log.read_text()


def test_a_trackers_secret_is_nowhere(project: Project) -> None:
    """The address of a webhook that takes nothing: in no file, no line, and only by its variable in config.yaml."""
    secret, path = "t0k3n-0f-4-w3bh00k", project.root / "experiments/tiny.yaml"
    path.write_text(path.read_text() + 'trackers: {webhook: {url: "${oc.env:HOOK}"}}\n')
    literal = project.run(f"trackers.webhook.url=http://127.0.0.1:1/{secret}")
    assert (literal.code, secret in literal.err) == (2, False)
    assert "trackers.webhook.url: is a secret: write ${oc.env:NAME} and set that variable" in literal.err
    project.environment["HOOK"] = f"127.0.0.1:1/{secret}"
    odd = project.run()
    assert (odd.code, odd.err.rpartition(": trackers.webhook.url: ")[2]) == (2, "must begin with https://, not this\n")
    project.environment["HOOK"] = f"http://127.0.0.1:1/{secret}"
    ended = project.run("hyperparameters.x=1")
    assert ended.code == 0, ended.err
    assert "warning: the tracker webhook could not be told: URLError" in ended.err
    assert "tracker" not in project.verb("report", "tiny").err
    again = project.verb("report", "tiny", "--tell")
    assert "warning: the tracker webhook could not be told: URLError" in again.err
    assert secret not in ended.err + ended.out + again.err + again.out + odd.err
    assert "url: ${oc.env:HOOK}" in (project.root / "runs/tiny/config.yaml").read_text()
    for file in (project.root / "runs").rglob("*"):
        assert not file.is_file() or secret.encode() not in file.read_bytes(), file
