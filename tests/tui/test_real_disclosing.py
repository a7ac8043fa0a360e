"""Words go from the screen onto the real ticket, recorded at the real agent first."""

from pathlib import Path

import pytest

from remote_assist.tui.screens.disclose import PreviewScreen
from remote_assist.tui.screens.session import SessionScreen
from tests.tui.real_world import at_work

pytestmark = pytest.mark.slow


async def test_a_text_is_on_the_ticket_and_in_the_log_once_it_was_seen_and_said_yes_to(tmp_path: Path) -> None:
    async with at_work(tmp_path, scopes=("diagnose",)) as here:
        await here.press("D", "down", "tab")
        await here.paste("Port 80 was held by old-web; mail alice@example.com")
        await here.press("enter")
        await here.see("send exactly this", "1 × mail")
        here.screen(PreviewScreen)
        await here.press("y")
        await here.see("on ticket #")
        here.screen(SessionScreen)
        await here.press("7")
        await here.see("Puts something on the ticket")
        await here.press("escape", "enter")
        await here.see("Port 80 was held by old-web")
