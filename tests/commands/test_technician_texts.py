"""What the technician's verbs parse and print, without a relay."""

import argparse
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as some

from remote_assist.cli import build_parser
from remote_assist.commands.plan_lines import plan_lines
from remote_assist.commands.printing import Printer, ascii_json
from remote_assist.commands.progress_line import ProgressLine, size_words
from remote_assist.commands.technician.fix import parse_settings
from remote_assist.commands.technician.options import checked_session
from remote_assist.commands.technician.run import exit_status, for_terminal, parse_command
from remote_assist.commands.technician.tickets import ticket_lines
from remote_assist.core.api import Ticket, TicketNote
from remote_assist.core.requests import Done, Plan, PlanStep, Progress
from remote_assist.core.wishes import parse_wishes
from remote_assist.errors import AssistError, UsageError

SESSION = "s-aaaaaaaaaaaaaaaa"


def done(**fields: object) -> Done:
    return Done(**{"action": "1", "status": "done", **fields})  # type: ignore[arg-type]  # a test


@pytest.mark.parametrize(
    ("words", "argv"),
    [
        (["--", "ls"], ["ls"]),
        (["--", "ls", "--json", "-i"], ["ls", "--json", "-i"]),
        (["--json", "--", "git", "log", "--", "file"], ["git", "log", "--", "file"]),
        (["-i", "--", ""], [""]),
        (["--", "--", "x"], ["--", "x"]),
        ([], []),
    ],
)
def test_everything_after_the_dashes_is_the_programs(words: list[str], argv: list[str]) -> None:
    arguments = build_parser("run").parse_args(["run", SESSION, *words])
    assert (arguments.session, arguments.argv) == (SESSION, argv)
    assert arguments.json is (words[:1] == ["--json"])
    assert build_parser("run").parse_args(["run", "--json", SESSION, *words]).argv == argv


def test_a_program_without_dashes_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="unrecognized"):
        build_parser("run").parse_args(["run", SESSION, "ls", "-la"])


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (done(), 0),
        (done(exit=7), 7),
        (done(status="failed", exit=1), 1),
        (done(exit=-9), 137),
        (done(exit=-15, status="cancelled"), 143),
    ],
)
def test_the_status_is_the_programs_as_ssh_says_it(answer: Done, status: int) -> None:
    assert exit_status(answer) == status


@pytest.mark.parametrize("status", ["failed", "aborted", "cancelled", "denied"])
def test_a_program_that_did_not_run_has_no_status(status: str) -> None:
    with pytest.raises(AssistError):
        exit_status(done(status=status))


def test_lines_of_commands_are_words_or_json() -> None:
    assert parse_command("echo 'a b' c\\ d\n") == ["echo", "a b", "c d"]
    assert parse_command(' ["printf", "%s\\n", "$HOME"]') == ["printf", "%s\n", "$HOME"]
    assert parse_command("  # nothing") == []
    for line in ("echo 'a", '["a", 1]', '["a"'):
        with pytest.raises(UsageError):
            parse_command(line)


@given(some.text(max_size=200))
def test_nothing_a_program_prints_reaches_the_terminal_as_control(text: str) -> None:
    shown = for_terminal(text).decode()
    assert not any(ord(sign) < 32 and sign != "\n" for sign in shown)
    assert not any(0x7F <= ord(sign) < 0xA0 for sign in shown)
    assert shown.count("\n") >= text.count("\n")


@given(some.recursive(some.text() | some.integers(-(2**53), 2**53), lambda inner: some.lists(inner, max_size=4)))
def test_json_is_ascii_and_means_the_same(value: object) -> None:
    raw = ascii_json(value)
    assert raw.isascii()
    assert not any(ord(sign) < 32 or ord(sign) == 127 for sign in raw)
    assert json.loads(raw) == value


def test_people_get_safe_lines_and_programs_bare_values() -> None:
    out = io.StringIO()
    Printer(argparse.Namespace(json=False, plain=False), out).line("a\x1b[2Jb")
    Printer(argparse.Namespace(json=False, plain=True), out).value("id", "1001", "ticket #1001")
    Printer(argparse.Namespace(json=True, plain=False), out).value("id", "\u202e")
    assert out.getvalue() == 'a\\x1b[2Jb\n1001\n{"id":"\\u202e"}\n'


def test_scopes_are_known_and_named_once() -> None:
    assert parse_wishes("fix, diagnose,fix") == ("fix", "diagnose")
    for text in ("", ",", "root", "diagnose,Fix"):
        with pytest.raises(UsageError, match="scope"):
            parse_wishes(text)


def test_parameters_are_key_and_value() -> None:
    assert parse_settings(["unit=a=b", "port="]) == {"unit": "a=b", "port": ""}
    for words in (["unit"], ["=x"], ["a=1", "a=2"]):
        with pytest.raises(UsageError):
            parse_settings(words)


@pytest.mark.parametrize(("text", "words"), [("", "empty"), ("bundle.tar.zst", "not a session"), ("s-AAAA", "not a")])
def test_an_empty_or_odd_session_is_a_usage_error(text: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        checked_session(text)
    assert checked_session(SESSION) == SESSION


def test_a_ticket_keeps_the_lines_of_its_notes() -> None:
    note = TicketNote(
        id=1,
        time="2026-03-01T09:30:00Z",
        author="Alice Example",
        text="a\nb\x1b",
        visibility="customer",
        session=SESSION,
    )
    ticket = Ticket(
        id="7", subject="S", description="D", state="open", opened="2026-03-01T09:00:00Z", opened_by="A", notes=(note,)
    )
    assert ticket_lines(ticket) == [
        "#7  S  (open)",
        "opened 2026-03-01 09:00 by A",
        "  D",
        f"2026-03-01 09:30  Alice Example (customer) [{SESSION}]",
        "  a",
        "  b\x1b",
    ]


def test_a_plan_shows_every_step_its_undo_and_why_it_may_not_run() -> None:
    step = PlanStep(name="stop apache2", before="active", after="stopped", undo="", blocked="needs root")
    plan = Plan(
        fix="f",
        version=1,
        digest="9f",
        title="Free the port",
        risk="high",
        consent="stops a service",
        prechecks=("ok",),
        steps=(step,),
        verify=("port is free",),
        runnable=False,
        why_not="blocked: needs root",
    )
    text = "\n".join(plan_lines(plan))
    for part in (
        "Free the port",
        "risk: high",
        "active → stopped",
        "undo: none",
        "blocked: needs root",
        "cannot run",
        "9f",
    ):
        assert part in text


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_shows_rate_and_time_left_only_to_somebody_who_looks() -> None:
    now = [0.0]
    seen, blind = Terminal(), io.StringIO()
    for stream in (seen, blind):
        now[0] = 0.0
        line = ProgressLine(stream, lambda: now[0])
        line(Progress(item="big\x1b.bin", status="receiving", done=0, total=1000_000))
        now[0] = 1.0
        line(Progress(item="big\x1b.bin", status="receiving", done=250_000, total=1000_000))
        line.clear()
    assert blind.getvalue() == ""
    assert "big\\x1b.bin  25 %  250 kB  250 kB/s  3 s left" in seen.getvalue()
    assert "\x1b" not in seen.getvalue()
    assert seen.getvalue().endswith(f"\r{' ' * 45}\r")


def test_a_shorter_line_covers_the_longer_one_before_it_and_wide_signs_count_twice() -> None:
    seen = Terminal()
    line = ProgressLine(seen, lambda: 0.0)
    for text in ("進" * 60, "ab"):
        line.say(text)
    line.clear()
    assert seen.getvalue() == f"\r{'進' * 39}\rab{' ' * 76}\r  \r"


def test_counted_progress_says_which() -> None:
    line = ProgressLine(Terminal(), lambda: 0.0)
    assert line.text(Progress(item="certificates", status="ok", done=7, total=22), 0.0) == "7/22 certificates: ok"


@pytest.mark.parametrize(
    ("size", "words"), [(0, "0 B"), (999, "999 B"), (4200, "4.2 kB"), (537_000_000, "537 MB"), (2 * 10**12, "2.0 TB")]
)
def test_sizes_read_as_disks_are_sold(size: int, words: str) -> None:
    assert size_words(size) == words
