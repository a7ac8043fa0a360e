"""Fixes that the findings offer, and what became of those that were run."""

from collections.abc import Sequence

from textual import on
from textual.app import ComposeResult
from textual.containers import Container
from textual.widgets import DataTable, Static

from remote_assist.tui.messages import PlanFix
from remote_assist.tui.ports import FindingPort
from remote_assist.tui.theme import FAINT, STATUS
from remote_assist.tui.widgets.findings import HIDDEN_OUTCOMES, OfferTable
from remote_assist.tui.widgets.table import FitTable, Row
from remote_assist.tui.widgets.text import joined, shown


class FixesPane(Container):
    """A row for each fix a finding names; enter plans it."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._offers: list[FindingPort] = []
        self._results: dict[tuple[str, str], str] = {}

    def compose(self) -> ComposeResult:
        yield Static(joined("No finding offers a fix."), classes="empty", id="fixes-empty")
        yield OfferTable(("fix", "for", "on", "result"), flexible=1)

    def on_mount(self) -> None:
        self.query_one(FitTable).display = False

    def focus_list(self) -> None:
        if self._offers:
            self.screen.set_focus(self.query_one(FitTable))

    def show_offers(self, findings: Sequence[FindingPort]) -> None:
        self._offers = [finding for finding in findings if finding.fix and finding.outcome not in HIDDEN_OUTCOMES]
        self._draw()

    def show_result(self, finding: FindingPort, status: str) -> None:
        """Note how a fix ended: resolved, rolled-back, failed."""
        self._results[(finding.fix, finding.subject)] = status
        self._draw()

    @on(DataTable.RowSelected)
    def plan_chosen(self, event: DataTable.RowSelected) -> None:
        event.stop()
        key = self.query_one(FitTable).selected
        if key is not None:
            self.post_message(PlanFix(self._offers[int(key)]))

    def _draw(self) -> None:
        table = self.query_one(FitTable)
        table.show_rows([self._row(number, finding) for number, finding in enumerate(self._offers)])
        table.display = bool(self._offers)
        self.query_one("#fixes-empty").display = not self._offers

    def _row(self, number: int, finding: FindingPort) -> Row:
        status = self._results.get((finding.fix, finding.subject), "")
        sign, colour = STATUS.get(status, ("", FAINT))
        return Row(
            str(number),
            (
                shown(finding.fix, max_chars=80),
                shown(finding.title, max_chars=200),
                shown(finding.subject, FAINT, max_chars=60),
                joined((f"{sign} ", colour), shown(status, colour, max_chars=20)) if status else joined(("–", FAINT)),
            ),
        )
