"""Programs run on the customer's machine with their output, and what this screen has done so far."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.containers import Container, Vertical
from textual.widgets import Input, Static

from remote_assist.core.requests import Done
from remote_assist.tui.messages import RunProgram
from remote_assist.tui.pending import OutputBuffer
from remote_assist.tui.theme import ACCENT, BAD, FAINT, STATUS, WARN
from remote_assist.tui.widgets.text import joined, shown
from remote_assist.tui.widgets.wrapped_log import WrappedLog

MAX_COMMAND = 4096
MAX_OUTPUT_LINES = 5000
MAX_PARTIAL_BYTES = 4096
"""A line without an end is shown in pieces of this length."""


@dataclass(frozen=True, slots=True)
class ActionLine:
    """Something this screen asked for. `time` is ours; `detail` may hold a peer's words."""

    time: str
    what: str
    status: str
    detail: str = ""


class ActionsPane(Container):
    """A command line without a shell, its output, and the list of actions."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._partial: dict[bool, bytes] = {False: b"", True: b""}

    def compose(self) -> ComposeResult:
        with Vertical(id="program"):
            yield Input(id="command", max_length=MAX_COMMAND, placeholder="program and arguments; no shell reads them")
            yield WrappedLog(MAX_OUTPUT_LINES, id="output")
        with Vertical(id="done"):
            yield Static("This screen's actions", classes="title", markup=False)
            yield Static(id="action-list")

    def focus_list(self) -> None:
        self.screen.set_focus(self.query_one(Input))

    def show_actions(self, actions: Sequence[ActionLine]) -> None:
        """Newest first."""
        text = Text("\n", end="").join([action_text(action) for action in reversed(actions)])
        self.query_one("#action-list", Static).update(text)

    def show_start(self, argv: Sequence[str]) -> None:
        self._partial = {False: b"", True: b""}
        self._log.add(joined(("$ ", ACCENT), shown(shlex.join(argv), "bold")))

    def show_output(self, buffer: OutputBuffer) -> None:
        """Draw what lies in the buffer."""
        if buffer.dropped_bytes:
            self._log.add(Text(f"… {buffer.dropped_bytes} bytes came too fast to be shown", WARN))
            buffer.dropped_bytes = 0
        for is_error, data in buffer.take():
            self._write(is_error, data)

    def show_end(self, done: Done) -> None:
        """Draw the last line and how it ended."""
        for is_error in (False, True):
            if rest := self._partial[is_error]:
                self._partial[is_error] = b""
                self._line(is_error, rest)
        sign, colour = STATUS.get(done.status, ("?", FAINT))
        if done.status == "done" and done.exit:
            sign, colour = "✖", BAD
        words = joined((f"{sign} exit {done.exit}", colour))
        if done.sentence:
            words.append("  ").append_text(shown(done.sentence, max_chars=400))
        if done.truncated:
            words.append("  the output was cut", WARN)
        self._log.add(words)

    def show_problem(self, sentence: str) -> None:
        self._log.add(joined(("✖ ", BAD), shown(sentence, BAD, max_chars=600)))

    @on(Input.Submitted, "#command")
    def run_typed(self, submitted: Input.Submitted) -> None:
        submitted.stop()
        try:
            argv = tuple(shlex.split(submitted.value))
        except ValueError:
            self.show_problem("a quote is not closed")
            return
        if argv:
            submitted.input.clear()
            self.post_message(RunProgram(argv))

    def _write(self, is_error: bool, data: bytes) -> None:
        *lines, rest = (self._partial[is_error] + data).split(b"\n")
        for line in lines:
            self._line(is_error, line)
        while len(rest) > MAX_PARTIAL_BYTES:
            self._line(is_error, rest[:MAX_PARTIAL_BYTES])
            rest = rest[MAX_PARTIAL_BYTES:]
        self._partial[is_error] = rest

    def _line(self, is_error: bool, line: bytes) -> None:
        self._log.add(shown(line.removesuffix(b"\r"), WARN if is_error else ""))

    @property
    def _log(self) -> WrappedLog:
        return self.query_one(WrappedLog)


def action_text(action: ActionLine) -> Text:
    """`14:05:11 ✔ looked at the computer`"""
    sign, colour = STATUS.get(action.status, ("?", FAINT))
    text = joined((f"{action.time} ", FAINT), (f"{sign} ", colour), shown(action.what, max_chars=120))
    if action.detail:
        text.append_text(joined("  ", shown(action.detail, FAINT, max_chars=300)))
    return text
