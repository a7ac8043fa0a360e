"""Inviting a customer: the code large, how to say it, how long it lives, and what became of it."""

from datetime import timedelta
from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Static

from remote_assist.core.api import Ticket
from remote_assist.core.codes import QR_PREFIX
from remote_assist.tui.job import Job
from remote_assist.tui.messages import CodeMade, CodeReplaced, CustomerPaired, JobFailed
from remote_assist.tui.pace import Pace
from remote_assist.tui.ports import InvitationPort
from remote_assist.tui.problem import Problem
from remote_assist.tui.screens.accept import AcceptScreen
from remote_assist.tui.screens.forms import ScopesScreen, Wish
from remote_assist.tui.theme import ACCENT, BAD, FAINT, WARN
from remote_assist.tui.widgets.lines import keys_line
from remote_assist.tui.widgets.qr import qr_text
from remote_assist.tui.widgets.text import joined, shown
from remote_assist.tui.words import clock_time, countdown
from remote_assist.tui.work import Work


class InviteScreen(ModalScreen[str | None]):
    """Returns the session's id once the customer said yes, or None."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "copy", "copy", id="invite.copy"),
        Binding("q", "qr", "QR code", id="invite.qr"),
        Binding("s", "change", "change scopes", id="invite.change"),
        Binding("n", "again", "new code", id="invite.again"),
        Binding("c", "accept", "take their code instead", id="invite.accept"),
        Binding("escape", "leave", "burn the code and leave", key_display="esc", id="invite.leave"),
    ]

    def __init__(self, work: Work, pace: Pace, ticket: Ticket, wish: Wish) -> None:
        super().__init__()
        self._work = work
        self._pace = pace
        self._ticket = ticket
        self._wish = wish
        self._invitation: InvitationPort | None = None
        self._problem: Problem | None = None
        self._copied = False
        self._as_qr = False

    def compose(self) -> ComposeResult:
        with Vertical(classes="box"):
            yield Static(id="invite")

    def on_mount(self) -> None:
        self._ask_for_code()
        self.set_interval(self._pace.tick_seconds, self._draw)

    def on_unmount(self) -> None:
        self._burn()

    # --- what happens -------------------------------------------------------------------------------

    def _ask_for_code(self) -> None:
        self._burn()
        self._problem, self._copied = None, False
        self._work.invite(self, self._ticket, self._wish.scopes, self._wish.seconds)
        self._draw()

    def _burn(self) -> None:
        """Burn the code and stop waiting for its customer: that it is used up now is no news."""
        self._work.cancel(self, Job.PAIRING)
        if self._invitation is not None:
            self._work.burn(self.app, self._invitation)
            self._invitation = None

    @on(CodeMade)
    def wait_for_customer(self, made: CodeMade) -> None:
        self._invitation = made.invitation
        self._work.await_customer(self, made.invitation)
        self._draw()

    @on(CodeReplaced)
    def show_other_code(self) -> None:
        self._copied = False
        self._draw()

    @on(CustomerPaired)
    def go_to_session(self, paired: CustomerPaired) -> None:
        self._invitation = None
        self.dismiss(paired.session)

    @on(JobFailed)
    def show_problem(self, failed: JobFailed) -> None:
        if failed.job is Job.PAIRING and self._invitation is None:
            return  # of a code that was given up meanwhile
        self._burn()
        self._problem = failed.problem
        self._draw()

    def action_copy(self) -> None:
        if self._invitation is not None:
            self.app.copy_to_clipboard(str(self._invitation.code))
            self._copied = True
            self._draw()

    def action_qr(self) -> None:
        self._as_qr = not self._as_qr
        self._draw()

    def action_change(self) -> None:
        remark = "A new code is made; the one on the screen stops working."
        screen = ScopesScreen(self._wish, title="What to ask the customer for", remark=remark)
        self.app.push_screen(screen, self._change_to)

    def _change_to(self, wish: Wish | None) -> None:
        if wish is not None:
            self._wish = wish
            self._ask_for_code()

    def action_again(self) -> None:
        if self._problem is not None:
            self._ask_for_code()

    def action_accept(self) -> None:
        """The other order: the code on the screen stops working, one of the customer's is typed."""
        self._burn()
        self.app.push_screen(AcceptScreen(self._work, self._ticket, self._wish), self._accepted)

    def _accepted(self, session: str | None) -> None:
        if session is None:
            self._ask_for_code()
        else:
            self.dismiss(session)

    def action_leave(self) -> None:
        self._burn()
        self.dismiss(None)

    # --- how it looks -------------------------------------------------------------------------------

    def _draw(self) -> None:
        title = joined(("Invite the customer of #", "bold"), shown(self._ticket.id, "bold", max_chars=40), "\n\n")
        if self._problem is not None:
            body = _problem(self._problem)
        elif self._invitation is not None and self._as_qr:
            body = self._scannable(self._invitation)
        elif self._invitation is not None:
            body = self._waiting(self._invitation)
        else:
            body = joined("\n   asking the relay for a code …\n\n", keys_line(("esc", "leave")))
        self.query_one("#invite", Static).update(joined(title, body))

    def _waiting(self, invitation: InvitationPort) -> Text:
        now = self._pace.clock()
        until = clock_time(now + timedelta(seconds=self._wish.seconds))
        return joined(
            "     ",
            spaced_code(str(invitation.code)),
            "\n\n",
            (" say  ", FAINT),
            joined("“", shown(invitation.spoken, max_chars=200), "”\n"),
            (" run  ", FAINT),
            ("remote-assist join", "bold"),
            ("   the words never go into a link or note\n", FAINT),
            (" asks ", FAINT),
            f"{' · '.join(self._wish.scopes)}   until {until}\n\n",
            (f" waiting … {countdown(invitation.expires, now)} left", WARN),
            ("   copied to the clipboard\n\n" if self._copied else "\n\n", FAINT),
            " ",
            keys_line(("y", "copy"), ("q", "QR"), ("s", "scopes"), ("c", "their code"), ("esc", "burn it, leave")),
        )

    def _scannable(self, invitation: InvitationPort) -> Text:
        """For a customer who sees this screen; only the agent reads it, no browser opens it."""
        left = countdown(invitation.expires, self._pace.clock())
        return joined(
            qr_text(f"{QR_PREFIX}{invitation.code}"),
            (f"\n {left} left", WARN),
            ("   only remote-assist reads it; never for a picture in a chat", FAINT),
        )


def spaced_code(code: str) -> Text:
    """`4 1 7  2 0 3   tulip   rocket   amber`: large as a terminal can."""
    nameplate, *words = code.split("-")
    digits = "  ".join(" ".join(nameplate[start : start + 3]) for start in range(0, len(nameplate), 3))
    return joined(shown(digits, f"bold {ACCENT}"), "    ", shown("   ".join(words), f"bold {ACCENT}"))


def _problem(problem: Problem) -> Text:
    return joined(
        ("✖ ", BAD),
        shown(problem.sentence, BAD, max_chars=600),
        "\n  ",
        shown(problem.advice, max_chars=600),
        "\n\n ",
        keys_line(("n", "new code"), ("s", "change scopes"), ("c", "their code"), ("esc", "leave")),
    )
