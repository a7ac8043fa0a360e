"""The customer's key and map of tokens: made once, private, and only of what is personal."""

import itertools
import secrets
import stat
from pathlib import Path

import pytest

from remote_assist.agent import token_map
from remote_assist.agent.token_map import TokenMap
from remote_assist.core.redaction import Redactor
from remote_assist.errors import ContentError


def ring(home: Path) -> TokenMap:
    return TokenMap(home, secrets.token_bytes)


def test_the_key_is_made_once_and_is_readable_by_its_owner_alone(tmp_path: Path) -> None:
    key = ring(tmp_path).key()
    assert ring(tmp_path).key() == key
    file = tmp_path / "redaction" / "key"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_tokens_of_two_runs_are_equal_for_people_and_differ_for_secrets(tmp_path: Path) -> None:
    text = "mail alice@example.com password=hunter2x"
    first, second = (Redactor(ring(tmp_path).key(), secret_key=secrets.token_bytes(32)).text(text) for _ in range(2))
    assert first.split()[:2] == second.split()[:2]
    assert first.split()[2] != second.split()[2]


def test_what_is_remembered_is_personal_data_and_can_be_read_back(tmp_path: Path) -> None:
    redactor = Redactor(ring(tmp_path).key())
    redacted = redactor.text("mail alice@example.com password=hunter2x")
    ring(tmp_path).remember(redactor.remembered)
    assert ring(tmp_path).reveal(redacted).startswith("mail alice@example.com password=<secret:")
    assert "hunter2x" not in (tmp_path / "redaction" / "tokens.json").read_text()
    assert stat.S_IMODE((tmp_path / "redaction" / "tokens.json").stat().st_mode) == 0o600


def test_the_newest_tokens_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(token_map, "MAX_TOKENS", 3)
    for number in range(5):
        ring(tmp_path).remember({f"<user:0000000{number}>": str(number)})
    assert list(ring(tmp_path).tokens().values()) == ["2", "3", "4"]


def test_what_others_could_read_or_what_is_damaged_is_not_used(tmp_path: Path) -> None:
    ring(tmp_path).key()
    folder = tmp_path / "redaction"
    (folder / "key").chmod(0o644)
    with pytest.raises(ContentError):
        ring(tmp_path).key()
    (folder / "key").write_bytes(b"short")
    (folder / "key").chmod(0o600)
    with pytest.raises(ContentError, match="not a key"):
        ring(tmp_path).key()
    (folder / "tokens.json").write_bytes(b"[]")
    (folder / "tokens.json").chmod(0o600)
    with pytest.raises(ContentError, match="damaged"):
        ring(tmp_path).tokens()


def test_tokens_are_told_apart_between_customers(tmp_path: Path) -> None:
    keys = [ring(tmp_path / name).key() for name in "ab"]
    one, other = (Redactor(key).token("user", "alice") for key in keys)
    assert one != other
    assert len(set(itertools.chain(keys))) == 2
