"""Words go from the screen onto the real ticket, recorded at the real agent first."""

from pathlib import Path

import pytest

from remote_assist.core.signing.reviewer_keys import reviewer_public, reviewer_public_file
from remote_assist.tui.screens.disclose import PreviewScreen
from remote_assist.tui.screens.session import SessionScreen
from tests.agent.world import REVIEWER_PRIVATE
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


async def test_of_a_file_the_digest_goes_and_the_file_stays_and_a_sealed_one_is_for_systems_that_take_files(
    tmp_path: Path,
) -> None:
    dump, key = tmp_path / "core.dump", tmp_path / "partner.pub"
    dump.write_bytes(b"secret of the customer" * 99)
    key.write_bytes(reviewer_public_file(reviewer_public(REVIEWER_PRIVATE)))
    async with at_work(tmp_path, scopes=("diagnose",)) as here:
        await here.press("D", "down", "down", "tab")
        await here.paste(str(dump))
        await here.press("tab", "down", "space", "ctrl+s")
        await here.see("core.dump: 2178 bytes, SHA-256", "send exactly this")
        await here.press("y")
        await here.see("on ticket #")
        await here.press("D", "down", "down", "tab")
        await here.paste(str(dump))
        await here.press("tab", "tab")
        await here.paste(str(key))
        await here.press("enter")
        await here.see("takes words only from here")
        await here.press("escape", "enter")
        await here.see("core.dump: 2178 bytes, SHA-256")
