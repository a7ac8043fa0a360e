"""The host entry for a stock ssh: paths quoted, percent signs doubled, only key exchanges this ssh knows."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from remote_assist.errors import RefusedError, UsageError
from remote_assist.technician.session_folder import SessionFacts, SessionFolder
from remote_assist.technician.ssh_config import host_entry, write_config

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
SESSION = "s-k3vq2m7x4nbdw6zu"


def _folder(path: Path) -> SessionFolder:
    path.mkdir(mode=0o700, parents=True)
    folder = SessionFolder(path)
    ends = (NOW + timedelta(hours=1)).isoformat()
    folder.write(
        SessionFacts(
            session=SESSION,
            relay="https://relay.example.com:443",
            ticket="1001\nHost *",
            subject="",
            host_key="ssh-ed25519 AAAA",
            host_name="",
            scopes=(),
            certificate_fingerprint="",
            opened=NOW.isoformat(),
            ends=ends,
            certificate_ends=ends,
        )
    )
    return folder


def _entry(folder: SessionFolder, *, known: tuple[str, ...] = (), now: datetime = NOW) -> dict[str, str]:
    text = host_entry(folder, ["/x y/remote-assist", "proxy", SESSION], environment={"A": "50%"}, known=known, now=now)
    lines = text.splitlines()
    assert lines[1] == f"Host {SESSION}"
    assert [line for line in lines if line.startswith("Host ")] == [lines[1]]  # a ticket adds no line of its own
    return dict(line.split(maxsplit=1) for line in lines[2:])


def test_paths_with_spaces_and_percent_signs_reach_ssh_as_they_are(tmp_path: Path) -> None:
    options = _entry(_folder(tmp_path / "a b%" / SESSION))
    assert options["IdentityFile"] == f'"{tmp_path}/a b%%/{SESSION}/session_key"'
    assert options["ProxyCommand"] == f"env A=50%% '/x y/remote-assist' proxy {SESSION}"


def test_only_key_exchanges_this_ssh_knows_are_named(tmp_path: Path) -> None:
    folder = _folder(tmp_path / SESSION)
    assert _entry(folder)["KexAlgorithms"] == "curve25519-sha256"
    known = ("diffie-hellman-group1-sha1", "curve25519-sha256", "mlkem768x25519-sha256")
    assert _entry(folder, known=known)["KexAlgorithms"] == "mlkem768x25519-sha256,curve25519-sha256"


@pytest.mark.parametrize("sign", ['"', "\\", "\n", "$"])
def test_a_path_ssh_would_read_otherwise_is_refused(sign: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="ssh cannot take the path"):
        _entry(_folder(tmp_path / f"a{sign}b" / SESSION))


def test_a_session_that_is_over_gets_no_entry(tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match="is over"):
        _entry(_folder(tmp_path / SESSION), now=NOW + timedelta(hours=2))


def test_only_a_file_of_ours_is_replaced(tmp_path: Path) -> None:
    write_config(tmp_path / "config", "Host a\n")
    write_config(tmp_path / "config", "Host b\n")
    assert (tmp_path / "config").read_text().splitlines()[1:] == ["Host b"]
    assert (tmp_path / "config").stat().st_mode & 0o777 == 0o600
    (tmp_path / "own").write_text("Host mine\n")
    with pytest.raises(UsageError, match="stays as it is"):
        write_config(tmp_path / "own", "Host a\n")
