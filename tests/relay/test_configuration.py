"""The settings file: every key documented, nothing unknown accepted, the command line wins, bad values say why."""

import re
from dataclasses import MISSING, fields
from pathlib import Path

import pytest

from relay.__main__ import _settings, build_parser, main
from relay.configuration import LEAST, NO_LIMIT_AT_ZERO, read_settings
from remote_assist.errors import ContentError, UsageError
from remote_assist.settings import (
    AlarmSourceSettings,
    PushSettings,
    RelaySettings,
    TicketRules,
    TicketSystemSettings,
)

PAGE = Path(__file__).parents[2] / "docs" / "operations" / "relay.md"
ROWS = dict(re.findall(r"^\| `([a-z_]+)` \| ([^|]*?) ?\| .+ \|$", PAGE.read_text().split("## Settings")[1], re.M))
DEFAULTS = RelaySettings(data=Path())


ELSEWHERE = ("anchors", "ticket_", "alarm_", "database", "bus", "node", "push", "retention")
"""Settings that are set together with others, in tests of their own."""


def written(folder: Path, text: str) -> Path:
    file = folder / "relay.toml"
    file.write_text(text)
    return file


def test_every_setting_is_documented_and_nothing_else() -> None:
    assert list(ROWS) == [field.name for field in fields(RelaySettings)]


@pytest.mark.parametrize("name", list(ROWS))
def test_the_documented_default_is_the_default(name: str) -> None:
    value = getattr(DEFAULTS, name)
    said = (
        ""
        if value in (None, (), "", Path(), {}, TicketRules())
        else f"{value:g}"
        if isinstance(value, float)
        else str(value)
    )
    assert ROWS[name] == said


def test_the_example_of_the_page_is_accepted(tmp_path: Path) -> None:
    example = re.search(r"```toml\n(.*?)```", PAGE.read_text(), re.S)
    assert example is not None
    settings = read_settings(written(tmp_path, example[1]), {})
    assert settings.origins == ("https://relay.example.com",) and settings.session_bytes_per_second == 50 << 20


@pytest.mark.parametrize("table", [TicketSystemSettings, TicketRules, AlarmSourceSettings])
def test_every_setting_of_the_ticket_tables_is_documented(table: type) -> None:
    page = (PAGE.parents[1] / "tickets.md").read_text()
    assert [field.name for field in fields(table) if f"| `{field.name}` |" not in page] == []


def test_every_setting_of_a_push_is_documented_with_its_default() -> None:
    page = (PAGE.parent / "audit.md").read_text()
    for field in fields(PushSettings):
        told = re.search(rf"^\| `{field.name}` \| ([^|]*) ?\|", page, re.M)
        assert told is not None, field.name
        default = "" if field.default in (MISSING, None, "") else str(field.default).removesuffix(".0")
        assert told[1].strip() == default, field.name


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('[push.siem]\nkind = "file"', r"\[push.siem\]: a file needs `path`"),
        ('[push.siem]\nkind = "pigeon"', "kind is one of file, syslog, webhook"),
        ('[push.siem]\nkind = "syslog"\naddress = "siem"', "address is HOST:PORT"),
        ('[push.siem]\nkind = "webhook"\naddress = "http://siem.example.com/"', "address is an https URL"),
        ('[push.siem]\nkind = "file"\npath = "x"\nformat = "xml"', "format is one of ocsf, cef"),
        ('[push.siem]\nkind = "file"\npaht = "x"', "no setting 'paht'; the nearest is 'path'"),
        ('[push.siem]\nkind = "file"\npath = "x"\nbatch_records = 0', "batch_records is 0"),
        ('[retention]\ncontent = "long"', r"\[retention\]: content is 'long'"),
    ],
)
def test_a_push_or_a_retention_that_cannot_be_is_refused(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(ContentError, match=sentence):
        read_settings(written(tmp_path, f'data = "x"\n{text}\n'), {})


SYSTEM = '[ticket_systems.rt]\nkind = "request-tracker"\nurl = "https://rt.example.com"\n'


def test_a_ticket_system_is_read_with_paths_from_the_files_folder(tmp_path: Path) -> None:
    text = f'data = "x"\n{SYSTEM}credential = "rt.token"\n[ticket_rules]\ndefault = "rt"\n'
    settings = read_settings(written(tmp_path, text), {})
    assert settings.ticket_systems["rt"].credential == tmp_path / "rt.token"
    assert settings.ticket_rules.default == "rt"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (SYSTEM + 'quueue = "x"', r"\[ticket_systems.rt\]: there is no setting 'quueue'; the nearest is 'queue'"),
        (SYSTEM.replace("request-tracker", "redmin"), "there is no kind 'redmin'; the nearest is 'redmine'"),
        (SYSTEM.replace(".rt", ".RT"), "a name has 1 to 16 small letters"),
        (SYSTEM.replace(".rt", ".built-in"), "a name has 1 to 16 small letters"),
        (SYSTEM + 'events_to = "world"', "events_to is one of customer and internal"),
        (SYSTEM + "digest_seconds = -1", "digest_seconds is -1"),
        ('[ticket_rules]\ndefault = "rt"', "default names no ticket system: rt"),
        ('[ticket_rules]\nassignee = "boss"', "assignee is one of any, self"),
    ],
)
def test_a_wrong_ticket_table_says_what_is_wrong(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(ContentError, match=sentence):
        read_settings(written(tmp_path, f'data = "x"\n{text}\n'), {})


@pytest.mark.parametrize(
    "field", [one for one in fields(RelaySettings) if not one.name.startswith(ELSEWHERE)], ids=lambda field: field.name
)
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


def test_one_of_several_nodes_is_named_with_what_they_share(tmp_path: Path) -> None:
    lines = 'data = "x"\ndatabase = "postgresql://db.example.com/relay"\n'
    assert read_settings(written(tmp_path, lines), {}).database == "postgresql://db.example.com/relay"
    lines += 'bus = "nats://127.0.0.1:4222"\nnode = "https://relay-1.example.com"\n'
    assert read_settings(written(tmp_path, lines), {}).node == "https://relay-1.example.com"
    for line in lines.splitlines()[1:]:
        with pytest.raises(ContentError, match="belong together"):
            read_settings(written(tmp_path, lines.replace(line, "")), {})
    with pytest.raises(UsageError, match="mysql://"):
        read_settings(written(tmp_path, lines.replace("postgresql", "mysql")), {})


@pytest.mark.parametrize("key", ["database", "bus"])
def test_a_file_with_a_password_is_refused_when_others_may_read_it(tmp_path: Path, key: str) -> None:
    values = {"database": "postgresql://127.0.0.1/relay", "bus": "nats://127.0.0.1", "node": "https://a.example.com"}
    values[key] = values[key].replace("127", "relay:secret@127")
    file = written(tmp_path, 'data = "x"\n' + "".join(f'{name} = "{value}"\n' for name, value in values.items()))
    file.chmod(0o640)
    with pytest.raises(ContentError, match="open to others") as caught:
        read_settings(file, {})
    assert "secret" not in caught.value.message + caught.value.advice
    file.chmod(0o600)
    assert getattr(read_settings(file, {}), key) == values[key]


def test_a_password_on_the_command_line_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    url = "postgresql://relay:secret@127.0.0.1/relay"
    for words in (["serve"], ["check", "--wait", "1"], ["init", "--organisation", "X"]):
        assert main([*words, "--data", str(tmp_path), "--database", url]) == 2
        said = capsys.readouterr().err
        assert "seen by every user" in said and ".pgpass" in said and "secret" not in said


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
