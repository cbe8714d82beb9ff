"""Secrets in texts and configurations: masked in every form in which a program prints them; what decides is not."""

from __future__ import annotations

import base64
import json
import pprint
import shlex
import textwrap
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sweeper.core.secrets import LEAST_PART, MASK, Redactor, looks_secret, masked, user_info

PEM = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0\nKZpNs8/f+mQ3vE1\n-----END PRIVATE KEY-----\n"
PLANTED = {
    "five": "xK9$q",
    "SEVEN": "hunter2",
    "TWENTY": "pl-4nt3d/s3cr3t+v4lue",
    "LONG": "0123456789abcdef" * 125,
    "NUMBER": 4815162342,
    "PEM": PEM,
    "TABBED": 'a "quoted"\tvalue\\',
    "PIN_TOKEN": 42,
}
PIECES = "".join(f"{n * 7919:x}" for n in range(60))
"""Long, and no part of it stands in it twice."""
PHRASE = "correct horse battery staple, and more of it than fits into one line of anything that breaks lines"


def text_of(value: object) -> str:
    """An environment value as a job gets it."""
    return value if isinstance(value, str) else json.dumps(value)


FORMS = {
    "as it is": lambda text: text,
    "repr": lambda text: repr(text)[1:-1],
    "bytes": lambda text: repr(text.encode())[2:-1],
    "JSON": lambda text: json.dumps(text)[1:-1],
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "base64 for URLs": lambda text: base64.urlsafe_b64encode(text.encode()).decode(),
    "URL": lambda text: quote(text, safe=""),
    "a form's URL": quote_plus,
    "JSON in JSON": lambda text: json.dumps(json.dumps(text)[1:-1])[1:-1],
    "a shell": lambda text: shlex.quote(text).strip("'"),
    "the log's tabs": lambda text: text.replace("\t", "#011").replace("\n", "#012"),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("key", PLANTED)
def test_a_secret_is_masked_in_every_form_in_which_it_is_printed(key: str, form: str) -> None:
    """Of 2, 5, 7, 21 and 2,000 characters, a number, of several lines; by repr, as JSON, in a URL, as base64."""
    printed = FORMS[form](text_of(PLANTED[key]))
    redact = Redactor(PLANTED)
    shown = "\n".join(map(redact, f"before '{printed}' after".splitlines()))
    assert MASK in shown
    assert not [part for part in printed.splitlines() if part in shown]


@given(st.binary(max_size=20), st.binary(max_size=20))
def test_what_a_secret_adds_to_longer_base64_is_masked(before: bytes, after: bytes) -> None:
    """`user:password` of a header: wherever the secret begins, what only it decides is not left standing."""
    secret = "pl-4nt3d/s3cr3t"
    encoded = base64.b64encode(before + secret.encode() + after).decode()
    first, end = -(-len(before) * 8 // 6), (len(before) + len(secret)) * 8 // 6
    assert encoded[first:end] not in Redactor({"TOKEN": secret})(encoded)


BROKEN = {
    "base64": lambda text: base64.encodebytes(text.encode()).decode(),
    "base64 of PEM": lambda text: textwrap.fill(base64.b64encode(text.encode()).decode(), 64),
    "base64 within another": lambda text: base64.encodebytes(f"{{user: me, password: {text}}}".encode()).decode(),
    "pprint": lambda text: pprint.pformat({"A": text, "B": [text]}, width=60),
    "a console": lambda text: textwrap.fill(f"the password is {text}, it says", 80),
}


@pytest.mark.parametrize("form", BROKEN)
@pytest.mark.parametrize("key", ["LONG", "PHRASE", "PHRASE_TOKEN"])
def test_a_long_secret_is_masked_in_pieces(key: str, form: str) -> None:
    """Broken into lines, as base64 always is: nowhere are 16 characters of it left, nor of what it adds to base64."""
    secret = PIECES if key == "LONG" else PHRASE
    shown = Redactor({key: secret})(f"before {BROKEN[form](secret)} after\n")
    assert shown.startswith("before ") and shown.endswith(" after\n")
    encoded = [base64.b64encode(b"?" * n + secret.encode()).decode()[-(-n * 8 // 6) :].rstrip("=") for n in range(3)]
    assert not [text for text in (secret, *encoded) for at in range(len(text) - 16) if text[at : at + 16] in shown]


def test_a_path_is_not_masked_for_what_it_shares_with_another() -> None:
    """Under a key that does not look secret, a text with slashes is a secret as a whole only."""
    shared = "s3://a-bucket-with-a-long-name/and/a/long/path"
    redact = Redactor({"DATA": f"{shared}/train", "DATA_TOKEN": "x" * 40})
    assert redact(f"{shared}/test {shared}/train") == f"{shared}/test {MASK}"


@given(st.integers(LEAST_PART, 20), st.booleans())
def test_a_part_of_a_secret_at_the_cut_of_a_text_is_masked(length: int, at_the_end: bool) -> None:
    """A text that was cut inside of a secret shows none of it, at whichever end and in whichever line."""
    secret = "pl4nt3ds3cr3tv4lue21x"
    cut = f"ValueError: {secret[:length]}\nexit code 1" if at_the_end else f"{secret[-length:]} was refused\nand so on"
    shown = Redactor({"TOKEN": secret}).cut(cut)
    assert shown in (f"ValueError: {MASK}\nexit code 1", f"{MASK} was refused\nand so on")


def test_a_piece_of_a_line_shows_no_piece_of_a_secret() -> None:
    """Logs keep a long line in pieces; of lines that are none every character counts."""
    secret = "pl4nt3ds3cr3tv4lue21x"
    redact = Redactor({"TOKEN": secret}).log
    assert redact(f"{'x' * 5000}{secret[:9]}\n{secret[9:]}{'y' * 5000}") == f"{'x' * 5000}{MASK}\n{MASK}{'y' * 5000}"
    assert redact(f"short {secret[:9]}\n{secret}") == f"short {secret[:9]}\n{MASK}"


def test_an_ordinary_word_or_number_is_left_in_texts() -> None:
    """`DEBUG`, `true`, `0.001` and small numbers are no secrets; a long number is masked only where it stands alone."""
    redact = Redactor({"LEVEL": "DEBUG", "TOKEN": "true", "RATE": "0.00125", "THREADS": 8, "SEED": 12345, "KEY": "ab"})
    text = "DEBUG true rate=0.00125 threads=8 loss=0.12345 step=123456 table"
    assert redact(text) == text
    assert redact("seed=12345, key: ab") == f"seed={MASK}, key: {MASK}"


def test_a_configuration_is_masked_by_key_and_keeps_what_decides() -> None:
    """Every value under environment; elsewhere what is surely a secret, under `vars` any; never what decides."""
    config = {
        "name": "negative",
        "objective": {"metric": "negative"},
        "job": {"image_uri": "x/negative:1", "metrics": [{"name": "negative"}], "inputs": {"a": "s3://hunter2/x"}},
        "dependencies": {"six": "git+https://me:pa55word@host/six"},
        "hyperparameters": {"task": "negative", "seed": 12345, "rank": 8, "url": "?t=hunter2", "swept": "hunter2"},
        "environment": {"KIND": "negative", "N": 12345, "FLAG": True, "A": "b", "NONE": None, "TOKEN": "hunter2"},
        "vars": {"copied": ["negative", {"deep": "a negative one"}], "n": 12345},
    }
    found = masked(config, Redactor(config["environment"]), {"hyperparameters.swept": "hunter2"})
    assert found == {
        "name": "negative",
        "objective": {"metric": "negative"},
        "job": {"image_uri": "x/negative:1", "metrics": [{"name": "negative"}], "inputs": {"a": f"s3://{MASK}/x"}},
        "dependencies": {"six": f"git+https://{MASK}@host/six"},
        "hyperparameters": {"task": "negative", "seed": 12345, "rank": 8, "url": f"?t={MASK}", "swept": "hunter2"},
        "environment": {"KIND": MASK, "N": MASK, "FLAG": MASK, "A": MASK, "NONE": None, "TOKEN": MASK},
        "vars": {"copied": [MASK, {"deep": f"a {MASK} one"}], "n": MASK},
    }


@given(st.dictionaries(st.sampled_from(["A", "TOKEN", "KEY"]), st.text(max_size=12)), st.text(max_size=30))
@example({"A": "one line\n\n\nand another"}, "nothing of it")
@example({"TOKEN": "     "}, "a     b")
@example({"A": "no text: \udcff\ud800"}, "b")
@example({"TOKEN": ""}, "a")
@example({"TOKEN": "*"}, "*")
def test_a_text_that_holds_no_secret_stays_as_it_is(environment: dict[str, str], text: str) -> None:
    """Blank values and blank lines of one hide nothing; masking again changes nothing."""
    redact = Redactor(environment)
    lines = [line for value in environment.values() for line in (value, *value.splitlines()) if line.strip()]
    if not any(line.strip()[:1] in text for line in lines):
        assert redact(text) == redact.cut(text) == redact.log(text) == text
    assert redact(redact(text)) == redact(text)


@pytest.mark.parametrize("key", ["TOKEN", "HF_TOKEN", "db.password", "AWS_SECRET_ACCESS_KEY", "apikey", "private-key"])
def test_the_name_of_a_key_tells_a_secret(key: str) -> None:
    """Whole words count."""
    assert looks_secret(key)


@pytest.mark.parametrize("key", ["max_tokens", "TOKENIZERS_PARALLELISM", "sort_key", "monkey", "secretary"])
def test_the_name_of_a_key_tells_no_secret(key: str) -> None:
    """A word inside of another does not count."""
    assert not looks_secret(key)


def test_the_user_of_a_url_is_found() -> None:
    """A password or a token before the @, also behind git+; not a variable that the job fills in."""
    assert user_info("git+https://me:pw@host/x and https://ghp_x@github.com") == ["me:pw", "ghp_x"]
    assert user_info("git+ssh://git@host/x git+https://${TOKEN}@host a@b.c https://host/a@b") == []
