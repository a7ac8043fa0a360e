"""Keys that arrive in one burst go where the key before them led."""

from textual.events import Key
from textual.widgets import Input

from remote_assist.tui.widgets.tab_line import TabLine
from tests.tui.stage import stage
from tests.tui.world import SESSION, World


async def test_words_typed_right_after_a_tab_s_number_land_in_that_tab(world: World) -> None:
    async with stage(world, session=SESSION) as it:
        await it.press("7")
        for sign in "6nice to meet you":
            it.app.post_message(Key("space" if sign == " " else sign, sign))
        for _ in range(200):
            if it.app.screen.query_one("#say", Input).value.endswith("you"):
                break
            await it.pilot.pause()
        assert it.app.screen.query_one("#say", Input).value == "nice to meet you"
        assert len(it.app.screen_stack) == 3, "a letter opened another screen"


async def test_a_tab_s_number_right_after_the_way_out_of_a_terminal_is_not_typed_into_it(world: World) -> None:
    world.scopes = (*world.scopes, "terminal")
    async with stage(world, session=SESSION) as it:
        await it.press("8", "t", "a")
        for key in ("b", "ctrl+right_square_bracket", "7"):
            it.app.post_message(Key(key, key if len(key) == 1 else None))
        await it.settle()
        assert it.app.screen.query_one(TabLine).active == "log"
        assert world.terminals[0].typed == b"ab"


async def test_a_key_pressed_while_the_program_ends_does_nothing(world: World) -> None:
    async with stage(world) as it:
        app = it.app
    assert app.screen_stack == []
    await app.on_event(Key("n", "n"))
    assert not app._typed.busy
