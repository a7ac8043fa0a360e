"""A fix before anything happens: prechecks, each step before → after with its undo, verify, digest; then its run."""

from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

from remote_assist.core.plan_words import diff_lines, is_diff
from remote_assist.core.requests import Done, Plan, PlanStep
from remote_assist.tui.job import Job
from remote_assist.tui.messages import FixApplied, FixPlanned, JobCancelled, JobFailed, ProgressMade
from remote_assist.tui.ports import SessionPort
from remote_assist.tui.problem import Problem
from remote_assist.tui.theme import ACCENT, BAD, FAINT, GOOD, STATUS, WARN
from remote_assist.tui.widgets.lines import keys_line
from remote_assist.tui.widgets.progress import board_text
from remote_assist.tui.widgets.text import joined, shown
from remote_assist.tui.work import Work

MAX_STEPS = 100
WAITING = "… it is written down first; a customer who wants to see each plan is asked now"
DIFF_COLOURS = {"+": GOOD, "-": BAD, "@": ACCENT}
RISK_COLOURS = {"low": GOOD, "medium": WARN, "high": BAD}


class PlanScreen(ModalScreen[str | None]):
    """Returns how the fix ended (resolved, rolled-back, failed, cancelled), or None when it was not run."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "apply", "run exactly this plan"),
        Binding("escape", "leave", "leave", key_display="esc"),
    ]

    def __init__(self, work: Work, session: SessionPort, planned: FixPlanned, host: str) -> None:
        super().__init__()
        self._work = work
        self._session = session
        self._planned = planned
        self._host = host
        self._applying = False
        self._ended: str | None = None

    def compose(self) -> ComposeResult:
        with Vertical(classes="box plan"):
            yield Static(self._title(), classes="title")
            with VerticalScroll(can_focus=True):
                yield Static(plan_text(self._planned.plan), id="plan")
                yield Static(id="result")
            yield Static(self._keys(), id="keys")

    def _title(self) -> Text:
        plan = self._planned.plan
        return joined(
            "Plan: ", shown(plan.title, max_chars=200), ("  on ", FAINT), shown(self._host, FAINT, max_chars=60)
        )

    def _keys(self) -> Text:
        if self._applying:
            return keys_line(("esc", "stop; what was changed is undone"))
        if self._ended is not None or not self._planned.plan.runnable:
            return keys_line(("esc", "close"))
        return keys_line(("y", "run exactly this plan"), ("esc", "leave; nothing was changed"))

    def action_apply(self) -> None:
        if self._applying or self._ended is not None or not self._planned.plan.runnable:
            return
        self._applying = True
        self._result(joined((WAITING, FAINT)))
        self._work.apply_fix(self, self._session, self._planned)

    def action_leave(self) -> None:
        if self._applying:
            self._work.cancel(self, Job.APPLY)
        else:
            self.dismiss(self._ended)

    @on(ProgressMade)
    def show_progress(self, made: ProgressMade) -> None:
        made.board.looked()
        if self._applying:
            self._result(board_text(made.board, max(20, self.query_one("#result").content_size.width)))

    def on_resize(self) -> None:
        if self._applying or self._ended:
            self.call_after_refresh(self.query_one(VerticalScroll).scroll_end, animate=False)

    @on(FixApplied)
    def show_result(self, applied: FixApplied) -> None:
        self._end(applied.done.status, _outcome(applied.done))

    @on(JobFailed)
    def show_problem(self, failed: JobFailed) -> None:
        self._end("refused" if failed.problem.reason else "failed", _problem(failed.problem))

    @on(JobCancelled)
    def show_cancelled(self) -> None:
        self._end("cancelled", joined(("– stopped; the agent undoes what was done and the log says so", WARN)))

    def _end(self, status: str, words: Text) -> None:
        self._applying, self._ended = False, status
        self._result(words)

    def _result(self, words: Text) -> None:
        self.query_one("#result", Static).update(words)
        self.query_one("#keys", Static).update(self._keys())
        self.query_one(VerticalScroll).scroll_end(animate=False)


def plan_text(plan: Plan) -> Text:
    """Everything that will happen, in the order it will."""
    text = joined(shown(plan.fix, FAINT, max_chars=120), (f" version {plan.version}", FAINT), "   risk ")
    text.append_text(shown(plan.risk, RISK_COLOURS.get(plan.risk, BAD), max_chars=20))
    text.append("   plan ").append_text(shown(short_digest(plan.digest), "bold", max_chars=40))
    text.append("\nthe customer reads: ", FAINT).append_text(shown(plan.consent, FAINT, max_chars=300)).append("\n\n")
    for number, check in enumerate(plan.prechecks[:MAX_STEPS]):
        text.append("check   " if number == 0 else "        ", ACCENT)
        text.append_text(shown(check, max_chars=300)).append("\n")
    for number, step in enumerate(plan.steps[:MAX_STEPS], 1):
        text.append_text(_step(number, step))
    if len(plan.steps) > MAX_STEPS:
        text.append(f"        … and {len(plan.steps) - MAX_STEPS} more steps\n", WARN)
    for number, check in enumerate(plan.verify[:MAX_STEPS]):
        text.append("\nverify  " if number == 0 else "        ", ACCENT)
        text.append_text(shown(check, max_chars=300)).append("\n")
    if not plan.runnable:
        text.append("\n\n✖ cannot run: ", BAD).append_text(shown(plan.why_not or "blocked", BAD, max_chars=400))
    return text


def _step(number: int, step: PlanStep) -> Text:
    text = joined((f"{number:<8}", ACCENT), shown(step.name, "bold", max_chars=200))
    if is_diff(step):
        text.append("   ").append_text(shown(step.before, max_chars=200)).append_text(_diff(step.after))
    elif step.before or step.after:
        text.append("   ").append_text(shown(step.before, max_chars=200))
        text.append(" → ", ACCENT).append_text(shown(step.after, max_chars=200))
    text.append("\n        undo: ", FAINT).append_text(shown(step.undo or "nothing to undo", FAINT, max_chars=200))
    if step.blocked:
        text.append("\n        blocked: ", BAD).append_text(shown(step.blocked, BAD, max_chars=200))
    return text.append("\n")


def _diff(after: str) -> Text:
    """A file's change, a line each, added and removed ones in their colours."""
    text = Text(end="")
    for line in diff_lines(after):
        text.append("\n        ").append_text(shown(line, DIFF_COLOURS.get(line[:1], FAINT), max_chars=300))
    return text


def short_digest(digest: str) -> str:
    """`9f2c61d0…a1e1`: enough for two people to compare aloud."""
    return digest if len(digest) <= 16 else f"{digest[:8]}…{digest[-4:]}"


def _outcome(done: Done) -> Text:
    sign, colour = STATUS.get(done.status, ("?", WARN))
    return joined(
        (f"{sign} ", colour), shown(done.status, colour, max_chars=20), "  ", shown(done.sentence, max_chars=600)
    )


def _problem(problem: Problem) -> Text:
    text = joined(("✖ ", BAD), shown(problem.sentence, BAD, max_chars=600))
    return text.append("\n  ").append_text(shown(problem.advice, max_chars=400)) if problem.advice else text
