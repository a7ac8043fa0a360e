"""Incidents T10 (a hostile agent owns the console) and T21 (a hostile line owns whoever reads the log).

T10: the real screens run under a real pty over a world whose every string is hostile; every byte that reached the
terminal is looked at. T21: every line the programs print for people holds no control byte.
"""

import argparse
import contextlib
import fcntl
import importlib
import io
import os
import pkgutil
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from textual.screen import Screen

from remote_assist import cli
from remote_assist.audit.timeline import timeline
from remote_assist.commands.printing import Printer
from remote_assist.core.records import Actor, Outcome, Record
from remote_assist.errors import AssistError
from remote_assist.tui import screens
from tests.security.hostile_screens import PAYLOADS, TELL, hostile

pytestmark = pytest.mark.timeout(400)  # two performances of 84 keys wait on their screens, on a busy machine for long

ROOT = Path(__file__).parent.parent.parent
WITH_CONTROLS = [payload for payload in PAYLOADS if not payload.isprintable()]
BELL = 0x07
PATIENCE_SECONDS = 60.0
"""How long the screens may take over one key on a busy machine."""

KEYS = [
    b"\r",  # the ticket
    b"\r",  # its live session
    b"d",  # look
    b"v",  # evidence in the facts
    b"\x1b[B\r",
    b"1",
    b"\r",  # plan
    b"y",  # the plan is blocked: must do nothing
    b"\x1b",
    b"2\x1b[F",
    b"\r",  # the last text of the bundle on the whole screen
    b"/",
    b"o\r",  # search it
    b"f",  # only the lines found
    b"\x1b",
    b"\x1b",
    b"/",
    b"o\r",  # search the facts
    b"\r",
    b"3",
    b"\r",  # list
    b"c",  # copy across: get
    b"v",  # look into a file
    b"\x1b",
    b"\x1b[F",  # the last name, of a hostile kind
    b"c",
    b"w",  # the queue
    b"4",
    b"id\r",  # run
    b"\x1b",
    b"5",
    b"6",  # chat
    b"hello\r",
    b"\x1b",
    b"7",  # log
    b"8",
    b"t",  # a terminal
    b"x",  # typed into it
    b"\x1d",  # out of it
    b"o",  # all sessions
    b"\x1b",
    b"?",  # help
    b"\x1b",
    b"s",  # a colleague: a form that asks nobody
    b"\x1b",
    b"D",  # onto the ticket
    b"\r",  # looked at first
    b"\x1b",  # and not sent
    b"p",  # a further scope, a note, the end: forms too
    b"\x1b",
    b"n",
    b"\x1b",
    b"e",
    b"\x1b",
    b"\x1b",  # leave the session
    b"m",  # enrolled machines
    b"j",
    b"\x1b",
    b"i",  # an invitation that wants a passphrase, in hostile words
    b"\x1b",
    b"n",  # and then is refused in hostile words
    b"\x1b",
    b"c",  # a customer's code, a note, time spent: forms that are left
    b"\x1b",
    b"n",
    b"\x1b",
    b"t",
    b"\x1b",
    b"\x1b",  # leave the ticket
    b"n",  # a new ticket: a form that is left
    b"\x1b",
    b"d",  # the outbox
    b"\r",
    b"\x1b",
    b"\x1b",
    b"b",  # the knowledge base
    b"/",
    b"o\r",  # search it
    b"\x1b",
    b"\x1b",
    b"c",  # bundles
    b" j ",  # mark two
    b"c",  # compare them
    b"j",
    b"\x1b",
    b"\x1b",
    b"v",  # review
    b"\r",  # a timeline
    b"\x1b",
    b"p",
    b"k\r",  # a recording
    b"\x1b",
    b"\x1b",
    b"q",
]

TOKEN = re.compile(
    rb"\x1b\[[0-?]*[ -/]*[@-~]"  # CSI
    rb"|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)"  # OSC
    rb"|\x1b[PX^_].*?\x1b\\"  # DCS, SOS, PM, APC
    rb"|\x1b[ -/]*[0-~]"  # other
)
DRAWING = re.compile(rb"\x1b\[[0-9;:]*m|\x1b\[[0-9]+;[0-9]+H")
"""Colours and cursor places: what they say differs from picture to picture."""


@dataclass
class Performance:
    """What one run wrote to its terminal, and what it asked of the façade."""

    raw: bytes
    calls: list[str]
    screens: frozenset[str]
    status: int

    @property
    def sequences(self) -> set[bytes]:
        """Control sequences other than colours and cursor places."""
        return {token for token in TOKEN.findall(self.raw) if not DRAWING.fullmatch(token)}

    @property
    def text(self) -> bytes:
        """Everything that is not a control sequence."""
        return TOKEN.sub(b"", self.raw)


def perform(kind: str, folder: Path) -> Performance:
    """Run the screens in a pty and press the keys."""
    calls = folder / f"{kind}.calls"
    master, slave = pty.openpty()
    told, tell = os.pipe()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 36, 120, 0, 0))
    environment = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor", "LANG": "C.UTF-8"}
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.security.hostile_screens", kind, str(calls)],
        stdin=slave, stdout=slave, stderr=slave, cwd=ROOT, env={**environment, TELL: str(tell)}, pass_fds=(tell,),
        start_new_session=True,
    )  # fmt: skip
    os.close(slave)
    os.close(tell)
    try:
        raw = read_until_told(master, told)
        for key in KEYS:
            os.write(master, key)
            raw += read_until_told(master, told)
        status = child.wait(timeout=PATIENCE_SECONDS)
    finally:
        child.kill()
        child.wait()
        os.close(master)
        os.close(told)
    seen = frozenset(calls.with_suffix(".screens").read_text().splitlines())
    return Performance(raw, calls.read_text().splitlines(), seen, status)


def read_until_told(master: int, told: int) -> bytes:
    """What the terminal gets until the screens are at rest, or gone (the pipe's other end is closed)."""
    raw = b""
    while True:
        ready = select.select([master, told], [], [], PATIENCE_SECONDS)[0]
        assert ready, f"the screens did not come to rest; they showed {raw[-2000:]!r}"
        if master not in ready:
            os.read(told, 1)
            return raw
        try:
            raw += os.read(master, 65536)
        except OSError:  # EIO: the child has closed its end
            return raw


@pytest.fixture(scope="module")
def both_runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Performance]:
    """A harmless and a hostile performance, side by side to save time."""
    folder = tmp_path_factory.mktemp("screens")
    with ThreadPoolExecutor(2) as pool:
        runs = {kind: pool.submit(perform, kind, folder) for kind in ("harmless", "hostile")}
        return {kind: run.result() for kind, run in runs.items()}


@pytest.fixture
def harmless_run(both_runs: dict[str, Performance]) -> Performance:
    return both_runs["harmless"]


@pytest.fixture
def hostile_run(both_runs: dict[str, Performance]) -> Performance:
    return both_runs["hostile"]


@pytest.mark.slow
def test_t10_no_control_sequence_reaches_the_terminal_that_a_harmless_run_does_not_send(
    harmless_run: Performance, hostile_run: Performance
) -> None:
    assert hostile_run.sequences - harmless_run.sequences == set()


@pytest.mark.slow
def test_t10_no_control_byte_stands_outside_a_sequence_of_ours(
    harmless_run: Performance, hostile_run: Performance
) -> None:
    found = {byte for byte in hostile_run.text if byte < 0x20 or byte == 0x7F}
    assert found <= {BELL, 0x0A, 0x0D}
    assert hostile_run.text.count(BELL) == harmless_run.text.count(BELL), "the only bell is ours, for a chat line"


@pytest.mark.slow
def test_t10_no_c1_no_direction_no_invisible_character_reaches_the_terminal(hostile_run: Performance) -> None:
    text = hostile_run.text.decode("utf-8")  # strict: no stray byte either
    assert sorted({hex(ord(sign)) for sign in text if acts(sign)}) == []


@pytest.mark.slow
@pytest.mark.parametrize("payload", WITH_CONTROLS, ids=range(len(WITH_CONTROLS)))
def test_t10_no_payload_reaches_the_terminal_as_it_was_sent(hostile_run: Performance, payload: str) -> None:
    assert payload.encode("utf-8", "surrogateescape") not in hostile_run.raw


@pytest.mark.slow
def test_t10_the_payloads_were_really_drawn_as_text_that_can_be_seen(hostile_run: Performance) -> None:
    text = hostile_run.text.decode("utf-8")
    for seen in ("\\x1b]52;c;cHdu", "\\x9b31mC1", "\\u{202e}gnp.exe", "[@click=app.quit]quit[/]", "\\x1b[?1049l"):
        assert seen in text, seen


@pytest.mark.slow
def test_t10_no_crash_and_nothing_was_done_that_the_keys_did_not_ask_for(
    harmless_run: Performance, hostile_run: Performance
) -> None:
    assert (harmless_run.status, hostile_run.status) == (0, 0)
    assert hostile_run.calls == harmless_run.calls
    assert "invite" in hostile_run.calls
    assert {
        "collect",
        "findings",
        "facts",
        "plan",
        "ls",
        "get",
        "peek",
        "run",
        "say",
        "shell",
        "timeline",
        "articles",
        "compare",
        "recordings",
        "recording",
        "preview",
        "machines",
    } <= set(hostile_run.calls)
    assert not {"apply", "end", "request_scopes", "new_ticket", "share", "disclose", "call"} & set(hostile_run.calls)


@pytest.mark.slow
def test_t10_every_screen_there_is_was_seen(harmless_run: Performance, hostile_run: Performance) -> None:
    """Fails for a new screen until `KEYS` lead to it, with hostile words in what it shows."""
    assert all_screens() - hostile_run.screens == set()
    assert all_screens() - harmless_run.screens == set()


def all_screens() -> set[str]:
    """Names of the screens that are shown: classes of tui/screens that no other one is made from."""
    modules = [
        importlib.import_module(f"{screens.__name__}.{found.name}") for found in pkgutil.iter_modules(screens.__path__)
    ]
    classes = {
        one
        for module in modules
        for one in vars(module).values()
        if isinstance(one, type) and issubclass(one, Screen) and one.__module__ == module.__name__
    }
    return {one.__name__ for one in classes if not any(issubclass(other, one) for other in classes - {one})}


def acts(sign: str) -> bool:
    """Whether a terminal or a reader would be led astray by it."""
    return sign not in "\a\r\n" and (
        unicodedata.category(sign) in {"Cc", "Cs", "Co", "Zl", "Zp"}
        or sign
        in "\u061c\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\u2066\u2067\u2068\u2069\ufeff"
        or 0xE0000 <= ord(sign) <= 0xE007F
    )


# --- T21 -------------------------------------------------------------------------------------------

everything = st.one_of(st.text(st.characters(exclude_categories=["Cs"])), st.sampled_from(PAYLOADS[:9]))


def printed(text: str, **options: bool) -> str:
    stream = io.StringIO()
    printer = Printer(argparse.Namespace(**options), stream)
    printer.line(text)
    printer.value("name", text)
    return stream.getvalue()


@given(text=everything)
@example(text=hostile(0).replace("\udc9b", ""))
def test_t21_a_line_for_people_is_one_line_without_controls(text: str) -> None:
    lines = printed(text)
    assert lines.count("\n") == 2
    assert not [sign for sign in lines if acts(sign) or sign == "\r"]


@pytest.mark.parametrize("form", ["json", "plain"])
@given(text=everything)
def test_t21_a_line_for_programs_is_one_line_without_controls(form: str, text: str) -> None:
    lines = printed(text, **{form: True})
    assert lines.count("\n") == 1
    assert not [sign for sign in lines if acts(sign) or sign == "\r"]


@given(text=everything)
def test_t21_a_record_s_line_in_a_report_is_one_line_without_controls(text: str) -> None:
    stream = io.StringIO()
    printer = Printer(argparse.Namespace(), stream)
    for line in timeline([hostile_record(text)]):
        printer.line(line.text())
    assert stream.getvalue().count("\n") == 1
    assert not [sign for sign in stream.getvalue() if acts(sign) or sign == "\r"]


@given(text=everything)
def test_t21_an_error_told_on_standard_error_holds_no_controls(text: str) -> None:
    stream = io.StringIO()
    with contextlib.redirect_stderr(stream), contextlib.redirect_stdout(stream):
        cli._complain(AssistError(text, advice=text), ["sessions", "--json"], 1)
    assert not [sign for sign in stream.getvalue() if acts(sign) or sign == "\r"]


def hostile_record(text: str) -> Record:
    return Record(
        session="s-k3vq2m7x4nbdw6zu",
        seq=1,
        prev="0" * 64,
        time=text,
        code="RA1400I",
        action=text,
        actor=Actor(kind=text, key=text, serial=1, on_behalf_of=text),
        scope=text,
        catalog=text,
        program=text,
        target=text,
        paths=(text, text),
        sizes={text: 3},
        outcome=Outcome(status=text, exit=3, size=1, reason=text),
    )
