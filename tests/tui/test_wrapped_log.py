"""Lines that came while nobody looked are broken to the width there is when somebody does."""

import asyncio

from rich.text import Text
from textual.app import App, ComposeResult
from textual.pilot import Pilot

from remote_assist.tui.widgets.wrapped_log import WrappedLog

LINE = "one two three four five six seven eight nine ten eleven twelve"


class Hidden(App[None]):
    def compose(self) -> ComposeResult:
        yield WrappedLog(2)


def words(log: WrappedLog) -> list[str]:
    return [line.rstrip() for line in log.lines]


async def shows(pilot: Pilot[None], log: WrappedLog, lines: list[str]) -> None:
    async with asyncio.timeout(20):
        while words(log) != lines:
            await pilot.pause(0.01)


async def test_a_line_that_comes_while_hidden_or_before_a_change_of_width_is_wrapped_to_what_there_is() -> None:
    app = Hidden()
    async with app.run_test(size=(80, 10)) as pilot:
        log = app.query_one(WrappedLog)
        log.display = False
        await pilot.pause()
        log.add(Text(LINE))
        log.display = True
        await shows(pilot, log, [LINE])
        await pilot.resize_terminal(40, 10)
        await pilot.pause()
        assert len(words(log)) == 2 and " ".join(words(log)) == LINE
        log.add(Text("shown at once"))
        assert words(log)[-1] == "shown at once"
        log.display = False
        await pilot.pause()
        log.add(Text("the third: the first one gives way"))
        log.display = True
        await pilot.pause()
        await pilot.resize_terminal(80, 10)
        await shows(pilot, log, ["shown at once", "the third: the first one gives way"])
        log.clear()
        assert words(log) == []


async def test_who_reads_further_up_stays_there_and_who_is_at_the_end_sees_what_comes() -> None:
    class Long(App[None]):
        def compose(self) -> ComposeResult:
            yield WrappedLog(100)

    app = Long()
    async with app.run_test(size=(40, 10)) as pilot:
        log = app.query_one(WrappedLog)
        log.add(*(Text(f"line {number}") for number in range(30)))
        await pilot.pause()
        assert log.scroll_offset.y == 20
        log.add(Text("one more"))
        await pilot.pause()
        assert log.scroll_offset.y == 21
        log.focus()
        await pilot.press("home")
        log.add(Text("another"))
        await pilot.pause()
        assert log.scroll_offset.y == 0 and log.lines[-1] == "another"
