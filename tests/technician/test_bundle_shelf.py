"""Which bundles lie on this machine, and whose they are."""

import os
from pathlib import Path

from remote_assist.technician.bundle_shelf import bundles_in
from remote_assist.technician.session_folder import SessionFacts, SessionFolder
from remote_assist.transport.private_files import make_private_folder

FACTS = SessionFacts(
    session="s-aaaaaaaaaaaaaaaa", relay="http://127.0.0.1:1", ticket="4711", subject="Web server does not start",
    host_key="k", host_name="web-07", scopes=("diagnose",), certificate_fingerprint="f",
    opened="2026-03-14T14:05:11Z", ends="2026-03-14T15:05:11Z", certificate_ends="2026-03-14T16:05:11Z",
)  # fmt: skip


def bundle(home: Path, session: str, seconds: int) -> Path:
    path = home / "collected" / session / "first-look.tar.zst"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"x" * seconds)
    os.utime(path, (seconds, seconds))
    return path


def test_bundles_are_listed_newest_first_with_what_is_known_of_their_sessions(tmp_path: Path) -> None:
    known, unknown, damaged = (
        bundle(tmp_path, session, seconds)
        for session, seconds in ((FACTS.session, 30), ("s-bbbbbbbbbbbbbbbb", 20), ("s-cccccccccccccccc", 10))
    )
    make_private_folder(tmp_path / "sessions")
    SessionFolder(make_private_folder(tmp_path / "sessions" / FACTS.session)).write(FACTS)
    make_private_folder(tmp_path / "sessions" / "s-cccccccccccccccc")
    (tmp_path / "sessions" / "s-cccccccccccccccc" / "session.json").write_text("{")
    (tmp_path / "sessions" / "s-cccccccccccccccc" / "session.json").chmod(0o600)
    found = bundles_in(tmp_path / "collected")
    assert [(one.path, one.ticket, one.subject, one.host, one.size) for one in found] == [
        (known, "4711", "Web server does not start", "web-07", 30),
        (unknown, "", "", "", 20),
        (damaged, "", "", "", 10),
    ]


def test_a_folder_that_is_not_there_holds_none(tmp_path: Path) -> None:
    assert bundles_in(tmp_path / "collected") == []
