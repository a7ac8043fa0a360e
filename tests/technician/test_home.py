"""The state folder: private, floors never fall, keys go when the session is over."""

import stat
from datetime import timedelta
from pathlib import Path

import pytest

from remote_assist.core.api import LoginAnswer
from remote_assist.errors import ContentError, RefusedError, UsageError
from remote_assist.technician.home import Home, Identity, default_home
from remote_assist.technician.session_folder import moment_of
from tests.technician.world import NOW, SESSION, Log, session_folder

IDENTITY = Identity(
    key_file="/k", certificate_file="/k-cert.pub", relay="https://relay.example.com:443", role="technician", name="A"
)
ANSWER = LoginAnswer(token="t", expires="2026-03-01T21:30:00Z", role="technician", name="A", lists=(b"{}", b"[]"))


def test_the_state_folder_is_where_the_variable_says_else_where_the_platform_keeps_data() -> None:
    assert default_home({"REMOTE_ASSIST_HOME": "/x/y"}) == Path("/x/y")
    assert default_home({"HOME": "/home/a"}, "linux") == Path("/home/a/.local/share/remote-assist")
    assert default_home({"HOME": "/home/a", "XDG_DATA_HOME": "/data"}, "linux") == Path("/data/remote-assist")
    assert default_home({"HOME": "/Users/a"}, "darwin") == Path("/Users/a/Library/Application Support/remote-assist")
    assert default_home({"LOCALAPPDATA": "/c/local", "USERPROFILE": "/c"}, "win32") == Path("/c/local/remote-assist")


def test_a_login_is_kept_where_only_its_owner_reads(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    home.remember_login(IDENTITY, ANSWER)
    assert (home.identity(), home.token().token, home.lists()) == (IDENTITY, "t", (b"{}", b"[]"))
    assert stat.S_IMODE(home.path.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in home.path.iterdir()} == {0o600}


def test_without_a_login_the_advice_says_how(tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match="nobody is logged in") as refusal:
        Home(tmp_path).identity()
    assert "login --key" in refusal.value.advice


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    home.remember_login(IDENTITY, ANSWER)
    (home.path / "identity.json").write_bytes(b"{}")
    with pytest.raises(ContentError, match=r"identity\.json"):
        home.identity()


def test_a_token_others_could_read_is_refused(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    home.remember_login(IDENTITY, ANSWER)
    (home.path / "token.json").chmod(0o644)
    with pytest.raises(ContentError, match="read by others"):
        home.token()


def test_a_floor_never_falls_and_belongs_to_its_ca(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    home.raise_floors("ca1", {"reviewers": 3, "packs": 1})
    home.raise_floors("ca1", {"reviewers": 2, "packs": 4})
    home.raise_floors("ca2", {"reviewers": 1})
    assert home.floors("ca1") == {"reviewers": 3, "packs": 4}
    assert home.floors("ca2") == {"reviewers": 1}
    assert home.floors("ca3") == {}


def test_a_session_that_was_opened_elsewhere_says_so(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not opened from this state folder"):
        Home(tmp_path).session(SESSION)


def test_keys_are_refused_after_the_end_of_consent_or_of_the_certificate(tmp_path: Path) -> None:
    folder = session_folder(tmp_path, seconds=1800, certificate_seconds=43200)
    assert folder.session_key(NOW + timedelta(seconds=1799))
    with pytest.raises(RefusedError, match="the consent ran out at 2026-03-01 10:00 UTC"):
        folder.session_key(NOW + timedelta(seconds=1800))
    (tmp_path / "other").mkdir()
    short = session_folder(tmp_path / "other", seconds=1800, certificate_seconds=60)
    with pytest.raises(RefusedError, match="your certificate expired at 2026-03-01 09:31 UTC"):
        short.session_key(NOW + timedelta(seconds=60))


def test_ending_deletes_the_keys_and_keeps_the_evidence(tmp_path: Path) -> None:
    log, folder = Log(), session_folder(tmp_path)
    folder.add_acknowledgement(log.acknowledge())
    folder.end()
    assert sorted(path.name for path in folder.path.iterdir()) == ["acks.jsonl", "session.json"]
    assert len(folder.acknowledgements()) == 1
    with pytest.raises(RefusedError, match="has ended"):
        folder.session_key(NOW)


def test_keys_of_expired_sessions_are_swept(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    home.remember_login(IDENTITY, ANSWER)
    (home.path / "sessions").mkdir(mode=0o700)
    folder = session_folder(home.path / "sessions", seconds=60)
    home.forget_expired_keys(NOW)
    assert (folder.path / "session_key").exists()
    home.forget_expired_keys(NOW + timedelta(seconds=60))
    assert not (folder.path / "session_key").exists()


def test_a_further_grant_moves_the_end(tmp_path: Path) -> None:
    folder = session_folder(tmp_path, seconds=60)
    folder.grant(("diagnose", "terminal"), "2026-03-01T11:00:00Z")
    assert folder.facts().scopes == ("diagnose", "terminal")
    assert folder.session_key(NOW + timedelta(seconds=61))


@pytest.mark.parametrize("text", ["", "tomorrow", "2026-03-01T09:30:00", "2026-13-01T00:00:00Z"])
def test_a_time_without_zone_or_sense_is_refused(text: str) -> None:
    with pytest.raises(ContentError):
        moment_of(text)
