"""The settings file: every key documented, nothing unknown accepted, the command line wins, bad values say why."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from relay.__main__ import _settings, build_parser
from relay.configuration import LEAST, NO_LIMIT_AT_ZERO, read_settings
from remote_assist.errors import ContentError, UsageError
from remote_assist.settings import RelaySettings

PAGE = Path(__file__).parents[2] / "docs" / "operations" / "relay.md"
ROWS = dict(re.findall(r"^\| `([a-z_]+)` \| ([^|]*?) ?\| .+ \|$", PAGE.read_text().split("## Settings")[1], re.M))
DEFAULTS = RelaySettings(data=Path())


def written(folder: Path, text: str) -> Path:
    file = folder / "relay.toml"
    file.write_text(text)
    return file


def test_every_setting_is_documented_and_nothing_else() -> None:
    assert list(ROWS) == [field.name for field in fields(RelaySettings)]


@pytest.mark.parametrize("name", list(ROWS))
def test_the_documented_default_is_the_default(name: str) -> None:
    value = getattr(DEFAULTS, name)
    said = "" if value in (None, (), "", Path()) else f"{value:g}" if isinstance(value, float) else str(value)
    assert ROWS[name] == said


def test_the_example_of_the_page_is_accepted(tmp_path: Path) -> None:
    example = re.search(r"```toml\n(.*?)```", PAGE.read_text(), re.S)
    assert example is not None
    settings = read_settings(written(tmp_path, example[1]), {})
    assert settings.origins == ("https://relay.example.com",) and settings.session_bytes_per_second == 50 << 20


@pytest.mark.parametrize("field", fields(RelaySettings), ids=lambda field: field.name)
def test_every_setting_can_be_set(tmp_path: Path, field: object) -> None:
    name = getattr(field, "name", "")
    value = getattr(DEFAULTS, name)
    expected: object
    if value is None or isinstance(value, Path):
        text, expected = '"elsewhere"', tmp_path / "elsewhere"
    elif isinstance(value, str):
        text, expected = '"127.0.0.2"', "127.0.0.2"
    elif isinstance(value, tuple):
        text, expected = '["192.0.2.1"]', ("192.0.2.1",)
    else:
        text, expected = str(value * 2 + 1), value * 2 + 1
    base = "" if name == "data" else 'data = "x"\n'
    assert getattr(read_settings(written(tmp_path, f"{base}{name} = {text}\n"), {}), name) == expected


def test_an_unknown_key_is_refused_with_file_key_and_the_nearest_key(tmp_path: Path) -> None:
    file = written(tmp_path, 'data = "x"\nhandshake_deadline = 20\n')
    with pytest.raises(ContentError) as caught:
        read_settings(file, {})
    assert caught.value.message == (
        f"{file}: there is no setting 'handshake_deadline'; the nearest is 'handshake_deadline_seconds'"
    )
    assert "docs/operations/relay.md" in caught.value.advice


def test_the_command_line_wins_over_the_file_and_the_file_over_the_default(tmp_path: Path) -> None:
    file = written(tmp_path, 'data = "in-file"\nport = 1111\nhost = "::1"\norigins = ["https://a.example.com"]\n')
    words = ["serve", "--config", str(file), "--listen", "127.0.0.1:2222", "--origin", "https://b.example.com"]
    settings = _settings(build_parser().parse_args(words))
    assert (settings.host, settings.port, settings.origins) == ("127.0.0.1", 2222, ("https://b.example.com",))
    assert settings.data == tmp_path / "in-file"
    settings = _settings(build_parser().parse_args(["serve", "--config", str(file), "--data", "here"]))
    assert (settings.data, settings.host, settings.port) == (Path("here"), "::1", 1111)
    settings = _settings(build_parser().parse_args(["serve", "--data", "here"]))
    assert settings == RelaySettings(data=Path("here"))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('port = "8470"', "port: expected int, got str"),
        ("port = true", "port: expected int, got bool"),
        ("port = 70000", "port is 70000"),
        ("handshake_deadline_seconds = 0", "more than 0"),
        ("handshake_deadline_seconds = nan", "more than 0"),
        ("penalty_most_seconds = inf", "at most"),
        ("message_max_bytes = 1024", "at least 1048576"),
        ("session_bytes_per_second = -1", "at least 0"),
        ('origins = "https://relay.example.com"', "origins: expected array, got str"),
        ("tls_key = 3", "tls_key: expected a path"),
        ('tls_key = ""', "tls_key: expected a path"),
        ("[limits]", "there is no setting 'limits'"),
        ("port = ", "is no TOML"),
        ("port = 1\nport = 2", "is no TOML"),
    ],
)
def test_a_value_that_cannot_be_is_refused_with_its_key(tmp_path: Path, line: str, said: str) -> None:
    with pytest.raises(ContentError) as caught:
        read_settings(written(tmp_path, f'data = "x"\n{line}\n'), {})
    assert said in caught.value.message and str(tmp_path) in caught.value.message


def test_without_a_data_folder_or_a_file_the_sentence_says_so(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no data folder"):
        read_settings(written(tmp_path, "port = 1"), {})
    with pytest.raises(UsageError, match="no settings file"):
        read_settings(tmp_path / "absent.toml", {})
    with pytest.raises(ContentError, match="longer than"):
        read_settings(written(tmp_path, "#" * (65 << 10)), {})


def test_bounds_name_settings_that_exist_and_defaults_are_within_them() -> None:
    names = {field.name for field in fields(RelaySettings)}
    assert set(LEAST) <= names and set(LEAST) >= NO_LIMIT_AT_ZERO
    read_settings(None, {"data": Path()})
