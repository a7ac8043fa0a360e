"""Words that mean nothing to a verb: exit 2, one sentence that names the nearest, one object with `--json`."""

import subprocess
from pathlib import Path

import pytest

from tests.scenarios.refusals import Refusal, refusal, told_as_json, typed
from tests.scenarios.world import World

SCOPES = "diagnose, files:read, files:write, fix, terminal, forward, hop"
NOBODY = "s-aaaaaaaaaaaaaaaa"


def command(folder: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    """A command that gets no further than its own words: there is no relay here."""
    return typed(World(folder, port=1), *words, expect=2)


def test_a_program_of_its_own_says_the_same(tmp_path: Path) -> None:
    words = ("ls", NOBODY, "/", "--jsno", "--json")
    alone, here = World(tmp_path, port=1).command(*words, expect=2), command(tmp_path, *words)
    assert (alone.returncode, alone.stdout, alone.stderr) == (here.returncode, here.stdout, here.stderr)


@pytest.mark.parametrize(
    ("verb", "sentence"),
    [
        ("jion", "there is no verb 'jion'; did you mean 'join'?"),
        ("diagnos", "there is no verb 'diagnos'; did you mean 'diagnose'?"),
        ("\x1b[2J", "there is no verb '\\x1b[2J'"),
        ("", "there is no verb ''"),
    ],
)
def test_an_unknown_verb_names_the_nearest(tmp_path: Path, verb: str, sentence: str) -> None:
    assert refusal(command(tmp_path, verb)) == Refusal(2, sentence, "`remote-assist --help` lists the verbs.")


def test_a_session_belongs_to_a_ticket_or_to_an_emergency(tmp_path: Path) -> None:
    told = refusal(command(tmp_path, "invite"))
    assert (told.exit, told.sentence) == (2, "one of the arguments --ticket --break-glass is required")


@pytest.mark.parametrize(
    ("words", "missing", "help_of"),
    [
        (("login",), "--key", "login"),
        (("tickets", "new"), "--subject", "tickets new"),
        (("end", NOBODY), "--note", "end"),
        (("ls", NOBODY), "PATH", "ls"),
        (("request", NOBODY), "SCOPES", "request"),
        (
            ("audit",),
            "list|show|verify|export|recordings|replay|review|report|anchors|hold|erase",
            "audit",
        ),
    ],
)
def test_a_missing_word_is_named(tmp_path: Path, words: tuple[str, ...], missing: str, help_of: str) -> None:
    assert refusal(command(tmp_path, *words)) == Refusal(
        2,
        f"the following arguments are required: {missing}",
        f"`remote-assist {help_of} --help` shows what it takes.",
    )


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("ls", NOBODY, "/", "--jsno"), "unrecognized arguments: --jsno"),
        (("run", NOBODY, "uname", "-a"), "unrecognized arguments: uname -a"),
        (("run", NOBODY), "no program was named"),
        (("run", NOBODY, "--stdin", "--", "true"), "--stdin takes no program of its own"),
        (("get", NOBODY, "/etc/hostname"), "a source and a folder are needed"),
        (("ls", "s-xyz", "/"), "'s-xyz' is not a session"),
        (("invite", "--ticket", "1", "--until", "soon"), "'soon' is not a length of time"),
        (("fix", NOBODY, "x", "--set", "unit"), "'unit' is not KEY=VALUE"),
        (("join", "--relay", "relay.example.com"), "a relay's address is https://HOST or http://HOST:PORT"),
    ],
)
def test_a_word_too_many_or_of_the_wrong_form_is_named(tmp_path: Path, words: tuple[str, ...], sentence: str) -> None:
    told = refusal(command(tmp_path, *words))
    assert (told.exit, told.sentence) == (2, sentence)
    assert told.advice


@pytest.mark.parametrize(
    "words",
    [
        ("invite", "--ticket", "1", "--scopes", "diagnose,diagnos"),
        ("request", NOBODY, "diagnos"),
        ("join", "--accept", "diagnos"),
    ],
    ids=["invite", "request", "join"],
)
def test_an_unknown_scope_is_named_with_those_there_are(tmp_path: Path, words: tuple[str, ...]) -> None:
    assert refusal(command(tmp_path, *words)) == Refusal(2, "there is no scope 'diagnos'", f"Choose from {SCOPES}.")


EMPTY_SESSIONS: dict[str, tuple[str, ...]] = {
    "diagnose": ("diagnose", ""),
    "findings": ("findings", ""),
    "fix": ("fix", "", "linux.service.start-unit"),
    "ls": ("ls", "", "/"),
    "get": ("get", "", "/etc/hostname", "."),
    "put": ("put", "", "x", "/tmp"),
    "run": ("run", "", "--", "true"),
    "request": ("request", "", "terminal"),
    "end": ("end", "", "--note", "x"),
    "audit show": ("audit", "show", ""),
    "audit verify": ("audit", "verify", ""),
    "audit export": ("audit", "export", ""),
}


@pytest.mark.parametrize("verb", EMPTY_SESSIONS)
def test_an_empty_session_is_2_and_one_object_with_json(tmp_path: Path, verb: str) -> None:
    """What a script holds whose `invite` failed."""
    act, session, *rest = EMPTY_SESSIONS[verb] if " " not in verb else (verb, *EMPTY_SESSIONS[verb][2:])
    told = told_as_json(command(tmp_path, *act.split(), "--json", session, *rest))
    assert (told["exit"], told["reason"]) == (2, "UsageError")
    assert "is empty" in told["error"]


@pytest.mark.parametrize(
    "words", [("jion",), ("invite",), ("ls", NOBODY, "/", "--jsno"), ("tickets", "fly"), ("request", NOBODY, "diagnos")]
)
def test_a_misuse_with_json_is_one_object(tmp_path: Path, words: tuple[str, ...]) -> None:
    told = told_as_json(command(tmp_path, *words, "--json"))
    assert set(told) == {"error", "reason", "exit"}
    assert told["exit"] == 2
    assert told["reason"] in {"UsageError", "ContentError"}
