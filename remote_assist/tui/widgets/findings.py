"""What known issues say: the list, and the chosen finding with its evidence and its way out."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, Horizontal, VerticalScroll
from textual.widgets import DataTable, Static

from remote_assist.tui.focus import may_take_focus
from remote_assist.tui.messages import PlanFix, ShowFact
from remote_assist.tui.pending import ProgressBoard
from remote_assist.tui.ports import FindingPort
from remote_assist.tui.theme import ACCENT, FAINT, GOOD, SEVERITY, SEVERITY_ORDER, WARN
from remote_assist.tui.widgets.evidence import evidence_text
from remote_assist.tui.widgets.hanging import HangingText
from remote_assist.tui.widgets.lines import keys_line
from remote_assist.tui.widgets.progress import board_text
from remote_assist.tui.widgets.table import FitTable, Row
from remote_assist.tui.widgets.text import joined, shown

FIRST_LOOK = "first-look"
"""The bundle that answers "what is wrong here?" without a question."""

HIDDEN_OUTCOMES = frozenset({"pass", "skipped"})
"""Outcomes folded into one line until asked for."""


class OfferTable(FitTable):
    """Its lines lead to the plan of a fix."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter", "select_cursor", "plan the fix")]


class FindingsPane(Container):
    """Empty, collecting, or a list with the chosen finding beside it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("a", "show_passed", "show passed", show=False),
        Binding("v", "view_evidence", "evidence"),
    ]

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._findings: list[FindingPort] = []
        self._facts: Mapping[str, object] = {}
        self._with_passed = False

    def compose(self) -> ComposeResult:
        yield Static(
            joined(
                "Nothing was looked at yet.\n\n",
                keys_line(("d", "take a first look")),
                ("\n\nReads programs, disks, network, services and logs; secrets are removed there.", FAINT),
            ),
            id="findings-empty",
            classes="empty",
        )
        with VerticalScroll(id="collecting") as collecting:
            collecting.display = False
            yield Static(id="collectors")
        with Horizontal(id="findings") as found:
            found.display = False
            yield OfferTable(("", "", ""), flexible=1, id="finding-list", header=False)
            with VerticalScroll(id="finding-scroll", can_focus=True):
                yield HangingText(id="finding")

    def show_progress(self, board: ProgressBoard) -> None:
        """The collectors of the running bundle, a bar each."""
        self._show_only("collecting")
        width = max(20, self.content_size.width - 2)
        self.query_one("#collectors", Static).update(board_text(board, width))
        self.query_one("#collecting", VerticalScroll).scroll_end(animate=False)

    def show_findings(self, findings: Sequence[FindingPort]) -> None:
        """Worst first."""
        self._findings = sorted(findings, key=_order)
        self._refill()
        self._show_only("findings")
        if may_take_focus(self):
            self.focus_list()

    def use_facts(self, facts: Mapping[str, object]) -> None:
        """Facts that the evidence points into."""
        self._facts = facts
        self.show_chosen()

    def stop_progress(self) -> None:
        """Collecting ended without findings: show what was there before."""
        self._show_only("findings" if self._findings else "findings-empty")

    def focus_list(self) -> None:
        if self._findings:
            self.screen.set_focus(self.query_one(FitTable))

    def action_show_passed(self) -> None:
        self._with_passed = not self._with_passed
        self._refill()

    def action_view_evidence(self) -> None:
        if self.chosen is not None and self.chosen.evidence:
            first = self.chosen.evidence[0]
            self.post_message(ShowFact(first.collector, first.pointer))

    @property
    def chosen(self) -> FindingPort | None:
        key = self.query_one(FitTable).selected
        return self._findings[int(key)] if key and key.isdecimal() else None

    @on(DataTable.RowHighlighted)
    def show_chosen(self) -> None:
        self.query_one("#finding", HangingText).show(
            finding_text(self.chosen, self._facts) if self.chosen else summary_text(self._findings)
        )
        self.query_one("#finding-scroll", VerticalScroll).scroll_home(animate=False)

    @on(DataTable.RowSelected)
    def plan_chosen(self, event: DataTable.RowSelected) -> None:
        event.stop()
        if self.chosen is None:
            self.action_show_passed()
        elif self.chosen.fix and self.chosen.outcome not in HIDDEN_OUTCOMES:
            self.post_message(PlanFix(self.chosen))
        else:
            self.notify("No fix is known for this one; v shows what it rests on.", markup=False)

    def _refill(self) -> None:
        rows = [
            finding_row(str(number), finding)
            for number, finding in enumerate(self._findings)
            if self._with_passed or finding.outcome not in HIDDEN_OUTCOMES
        ]
        if folded := folded_words(self._findings):
            words = "[a] hide" if self._with_passed else "[a] show"
            rows.append(Row("passed", (joined(("✔", GOOD)), joined((folded, GOOD)), joined((words, FAINT)))))
        self.query_one(FitTable).show_rows(rows)
        self.show_chosen()

    def _show_only(self, shown_id: str) -> None:
        for child in self.children:
            child.display = child.id == shown_id


def _order(finding: FindingPort) -> tuple[bool, bool, int, str]:
    known = finding.severity in SEVERITY_ORDER
    place = SEVERITY_ORDER.index(finding.severity) if known else len(SEVERITY_ORDER)
    return (finding.outcome in HIDDEN_OUTCOMES, finding.outcome == "unknown", place, finding.title)


def folded_words(findings: Sequence[FindingPort]) -> str:
    """`41 passed, 3 do not apply here`, or nothing."""
    passed = sum(finding.outcome == "pass" for finding in findings)
    skipped = sum(finding.outcome == "skipped" for finding in findings)
    words = [f"{passed} passed"] if passed else []
    if skipped:
        words.append(f"{skipped} {'does' if skipped == 1 else 'do'} not apply here")
    return ", ".join(words)


def summary_text(findings: Sequence[FindingPort]) -> Text:
    """What stands beside the list while no finding is chosen."""
    open_ones = sum(finding.outcome not in HIDDEN_OUTCOMES for finding in findings)
    if open_ones:
        return joined((folded_words(findings), FAINT))
    text = joined(("No known issue was found.", "bold"), "\n\n")
    text.append_text(joined((folded_words(findings), GOOD), "\n\n"))
    return text.append_text(joined(("The facts (2), files (3) and programs (4) are where to look next.", FAINT)))


def sign_of(finding: FindingPort) -> tuple[str, str]:
    """Sign and colour of a finding."""
    if finding.outcome == "skipped":
        return "–", FAINT
    if finding.outcome == "pass":
        return "✔", GOOD
    if finding.outcome == "unknown":
        return "?", WARN
    return SEVERITY.get(finding.severity, ("▪", FAINT))


def finding_row(key: str, finding: FindingPort) -> Row:
    """`✖ high  Service failed: its port is taken  nginx :80`"""
    sign, colour = sign_of(finding)
    quiet = finding.outcome in HIDDEN_OUTCOMES | {"unknown"}
    word = finding.outcome if quiet else finding.severity
    return Row(
        key,
        (
            joined((f"{sign} ", colour), shown(word, colour, max_chars=14)),
            shown(finding.title, FAINT if quiet else "", max_chars=200),
            shown(finding.subject, FAINT, max_chars=60),
        ),
    )


def finding_text(finding: FindingPort, facts: Mapping[str, object]) -> Text:
    """The finding as a page: message, why, evidence, fix."""
    sign, colour = sign_of(finding)
    text = joined((f"{sign} ", colour), shown(finding.issue, FAINT, max_chars=120), "\n\n")
    text.append_text(shown(finding.message or finding.title, "bold", lines=True)).append("\n")
    if finding.explanation:
        text.append("\nWhy\n", ACCENT).append_text(shown(finding.explanation, lines=True)).append("\n")
    if finding.evidence:
        text.append("\nEvidence\n", ACCENT).append_text(evidence_text(finding.evidence, facts))
        text.append_text(keys_line(("v", "view it in the facts"))).append("\n")
    text.append("\nFix\n", ACCENT)
    if finding.fix:
        if finding.fix_title:
            text.append_text(shown(finding.fix_title, max_chars=200)).append("\n")
        text.append_text(shown(finding.fix, FAINT, max_chars=120))
        for name, value in list(finding.parameters.items())[:16]:
            text.append("  ").append_text(shown(name, FAINT, max_chars=40)).append("=", FAINT)
            text.append_text(shown(str(value), max_chars=120))
        text.append("\n").append_text(keys_line(("enter", "plan it; nothing is changed yet")))
    else:
        text.append("none known; the evidence is where to start", FAINT)
    return text
