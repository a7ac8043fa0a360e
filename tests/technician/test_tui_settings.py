"""The screens' settings and memory: defaults, what is wrong said with the nearest right, damage that costs nothing."""

from pathlib import Path

import pytest

from remote_assist.errors import UsageError
from remote_assist.technician.tui_settings import TuiSettings, TuiState, read_settings, read_state, write_state

BINDINGS = ("session.look", "session.end", "tickets.new")
SESSION = "s-k3vq2m7x4nbdw6zu"


def settings(folder: Path, text: str) -> TuiSettings:
    (folder / "tui.toml").write_text(text)
    return read_settings(folder, lambda: BINDINGS)


def test_without_a_file_there_are_defaults(tmp_path: Path) -> None:
    assert read_settings(tmp_path, lambda: BINDINGS) == TuiSettings()


def test_everything_chosen_is_taken(tmp_path: Path) -> None:
    text = 'theme = "light"\nnotify = "osc9"\ntranslate = ["trans", "-brief"]\n[keys]\nsession.look = "l,f5"\n'
    chosen = settings(tmp_path, text)
    assert chosen == TuiSettings("light", "osc9", ("trans", "-brief"), {"session.look": "l,f5"})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('theem = "dark"', "no setting 'theem'; did you mean 'theme'?"),
        ('theme = "drak"', "no theme 'drak'; did you mean 'dark'?"),
        ("theme = 3", "no theme '3'"),
        ('notify = "ring"', "no notification 'ring'"),
        ('translate = "trans -brief"', "translate is a list of words"),
        ('[keys]\nsession.lok = "l"', "no key 'session.lok'; did you mean 'session.look'?"),
        ("[keys]\nsession.look = 3", "the key of session.look is not a text"),
        ("theme = ", "cannot be read"),
    ],
)
def test_what_is_wrong_names_the_file_and_the_nearest_right(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(UsageError) as told:
        settings(tmp_path, text)
    assert said in told.value.message and "tui.toml" in told.value.message


def test_what_was_open_is_remembered_and_damage_is_forgotten(tmp_path: Path) -> None:
    assert read_state(tmp_path) == TuiState()
    write_state(tmp_path / "home", TuiState(sessions=(SESSION, "../x"), view="mine"))
    assert read_state(tmp_path / "home") == TuiState(sessions=(SESSION,), view="mine")
    (tmp_path / "home" / "tui-state.json").write_bytes(b"{broken")
    assert read_state(tmp_path / "home") == TuiState()
