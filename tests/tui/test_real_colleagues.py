"""A colleague from the screen: let in beside oneself, and in one's place; the customer is asked first."""

from pathlib import Path

import pytest

from remote_assist.technician.desk import Desk
from tests.technician.conftest import Technician
from tests.tui.real_world import RealStage, at_work

pytestmark = pytest.mark.slow


async def bob(here: RealStage) -> Technician:
    """Another technician of the organisation, at a machine of his own."""
    folder = here.world.folder / "bob"
    folder.mkdir()
    made = Technician(here.world.relay, folder, here.world.relay.person("Bob Example"))
    made.write_files(made.person)
    await made.login()
    return made


async def let_in(here: RealStage, colleague: Technician, *part_keys: str) -> None:
    await here.press("s")
    await here.see("Let a colleague in on")
    await here.paste(str(colleague.folder / "alice-cert.pub"))
    await here.press("tab", *part_keys, "ctrl+s")
    await here.see("✔ ask to let a colleague in", f"They run: remote-assist attach {here.world.session}")


async def says(desk: Desk, session: str, text: str) -> None:
    async with await desk.connect(session) as connected:
        await connected.say(text)


async def test_a_colleague_comes_beside_once_the_customer_said_yes(tmp_path: Path) -> None:
    async with at_work(tmp_path, scopes=("diagnose",)) as here:
        colleague = await bob(here)
        await let_in(here, colleague)
        question = here.world.customer.questions[-1]
        assert question.newcomer == "Bob Example" and question.part == "active"
        async with await colleague.desk() as desk:
            await desk.attach(here.world.session)
            await here.see("Bob Example")
            await says(desk, here.world.session, "I am here too")
            await here.press("6")
            await here.see("I am here too")
        await here.write("good")
        await here.press("enter")
        await here.see("you       good")


async def test_a_colleague_takes_over_and_one_s_own_access_ends(tmp_path: Path) -> None:
    async with at_work(tmp_path, scopes=("diagnose",)) as here:
        colleague = await bob(here)
        await let_in(here, colleague, "down", "down")
        async with await colleague.desk() as desk:
            await desk.attach(here.world.session)
            await here.see("handed this session over", "■")
            await says(desk, here.world.session, "I go on")


async def test_a_customer_who_does_not_want_the_colleague_is_believed(tmp_path: Path) -> None:
    async with at_work(tmp_path, scopes=("diagnose",)) as here:
        here.world.customer.welcomes = False
        colleague = await bob(here)
        await here.press("s")
        await here.paste(str(colleague.folder / "alice-cert.pub"))
        await here.press("ctrl+s")
        await here.see("✖ ask to let a colleague in")


async def test_a_certificate_that_is_not_there_is_told_with_what_to_name(tmp_path: Path) -> None:
    async with at_work(tmp_path, scopes=("diagnose",)) as here:
        await here.press("s")
        await here.paste(str(tmp_path / "nobody-cert.pub"))
        await here.press("ctrl+s")
        await here.see("✖ ask to let a colleague in", "Name the file of theirs: NAME-cert.pub.")
