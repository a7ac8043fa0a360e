"""A table in the width there is: what is cut, what is left out, what gets the room that is over."""

import pytest
from rich.text import Text
from textual.app import App, ComposeResult

from remote_assist.tui.widgets.table import FitTable, Row

NAME, SUBJECT = "a-name-of-thirty-two-characters.x", "a subject of some length, in words"


class Tabled(App[None]):
    def compose(self) -> ComposeResult:
        table = FitTable(("name", "subject", "count"), flexible=1, spare=(2,))
        table.show_rows([Row("1", (Text(NAME), Text(SUBJECT), Text("12")))])
        yield table


@pytest.mark.parametrize(
    ("columns", "titles", "cells"),
    [
        (120, ["name", "subject", "count"], [NAME, SUBJECT, "12"]),
        (70, ["name", "subject", "count"], [f"{NAME[:25]}…", f"{SUBJECT[:32]}…", "12"]),
        (62, ["name", "subject"], [f"{NAME[:25]}…", f"{SUBJECT[:31]}…"]),
        (36, ["name", "subject"], [f"{NAME[:25]}…", f"{SUBJECT[:7]}…"]),
    ],
)
async def test_what_is_cut_and_what_is_left_out_by_the_width(columns: int, titles: list[str], cells: list[str]) -> None:
    async with (app := Tabled()).run_test(size=(columns, 10)) as pilot:
        await pilot.pause()
        table = app.query_one(FitTable)
        assert [str(column.label) for column in table.columns.values()] == titles
        assert [cell.plain for cell in table.get_row_at(0)] == cells
