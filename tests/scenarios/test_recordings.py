"""Recordings as their users meet them: a shell at the command line, listed, replayed, exported, in asciinema."""

import base64
import json
import os
import pty
import re
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import create_engine, update

from relay.storage.schema import chunks
from tests.scenarios.tmux import TmuxScreen
from tests.scenarios.world import World, find_program, served_world

pytestmark = pytest.mark.slow

PATIENCE_SECONDS = 60
SAID = "from the customer"


@dataclass
class Recorded:
    """One ended session with a recording, a bundle and a file."""

    world: World
    session: str

    @property
    def key(self) -> str:
        return str(self.world.folder / "org" / "reviewers-1.key")

    def audit(self, *words: str, expect: int = 0) -> subprocess.CompletedProcess[str]:
        return self.world.command("audit", *words, home="rita-home", expect=expect)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recorded]:
    with served_world(tmp_path_factory.mktemp("recordings")) as world:
        _, session, agent = world.session()
        kept = world.folder / "notes.txt"
        kept.write_text("a file of the customer\n")
        typed = f"echo {SAID}; printf 'one\\n\\033]0;title\\007two\\n'; exit 3\n"
        done = world.command("shell", session, stdin=typed, expect=3)
        assert SAID in done.stdout
        world.command("get", session, str(kept), str(world.folder), "--keep", "--force", expect=0)
        world.command("diagnose", session, "--bundle", "first-look", "-o", str(world.folder / "bundle.tar.zst"))
        world.command("end", session, "--note", "Done.")
        agent.wait(PATIENCE_SECONDS)
        world.login("rita")
        yield Recorded(world, session)


def test_what_is_kept_is_listed_without_a_key(recorded: Recorded) -> None:
    found = [json.loads(line) for line in recorded.audit("recordings", recorded.session, "--json").stdout.splitlines()]
    assert [(one["action"], one["kind"]) for one in found] == [("a1", "recording"), ("a2", "file"), ("a3", "bundle")]
    assert all(one["missing"] == [] and not one["open"] for one in found)


def test_a_recording_is_poured_into_a_pipe_safe_to_show(recorded: Recorded) -> None:
    shown = recorded.audit("replay", recorded.session, "--unseal", recorded.key).stdout
    assert SAID in shown
    assert "one\r\ntwo" in shown or "one\ntwo" in shown
    assert "title" not in re.sub(r"printf.*", "", shown)


def test_a_reviewer_reads_and_plays_it_by_keys(recorded: Recorded) -> None:
    if shutil.which("tmux") is None:
        assert os.environ.get("REMOTE_ASSIST_REQUIRE_ALL") != "1", "tmux is missing"
        pytest.skip("tmux is missing")
    argv = [find_program("remote-assist"), "tui"]
    with TmuxScreen(recorded.world.folder, argv, recorded.world.environment("rita-home")) as screen:
        screen.wait_for("tickets · all")
        screen.press("v")
        screen.wait_for(recorded.session)
        screen.press("Enter")
        screen.wait_for("Opens a shell")
        screen.press("Escape")
        screen.wait_for("remote-assist · review")
        screen.press("p")
        screen.wait_for("Play a recording")
        screen.write(recorded.key)
        screen.press("Enter")
        screen.wait_for(SAID)
        screen.press("Escape")
        screen.wait_for("remote-assist · review")
        screen.press("Escape")
        screen.wait_for("tickets · all")
        screen.press("q")
        assert screen.wait_until_over() == 0


def test_without_the_reviewers_key_nothing_opens(recorded: Recorded) -> None:
    assert "--unseal" in recorded.audit("replay", recorded.session, expect=3).stderr


def test_a_technician_may_not_read_what_is_kept(recorded: Recorded) -> None:
    words = ("audit", "export", recorded.session, "--format", "cast", "--unseal", recorded.key)
    assert "reviewer" in recorded.world.command(*words, expect=3).stderr


def test_files_and_bundles_are_exported_as_they_were_sent(recorded: Recorded, tmp_path: Path) -> None:
    for action, sent in (("a2", "notes.txt"), ("a3", "bundle.tar.zst")):
        out = tmp_path / sent
        words = ("export", recorded.session, "--format", "kept", "--action", action)
        recorded.audit(*words, "--unseal", recorded.key, "-o", str(out))
        assert out.read_bytes() == (recorded.world.folder / sent).read_bytes()


def test_reading_is_itself_a_record(recorded: Recorded) -> None:
    recorded.audit("replay", recorded.session, "--unseal", recorded.key)
    export = recorded.audit("export").stdout
    read = [json.loads(line) for line in export.splitlines() if '"record"' in line]
    codes = [json.loads(base64.b64decode(one["record"])) for one in read if one["kind"] == "record"]
    about = [one for one in codes if one["code"] == "RA2002E" and one["about"] == recorded.session]
    assert {"a1"} <= {one["recording"] for one in about}
    assert about[0]["details"]["reader"] == "Rita Example"


@pytest.fixture(scope="module")
def cast(recorded: Recorded, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("cast") / "a1.cast"
    recorded.audit(
        "export", recorded.session, "--format", "cast", "--action", "a1", "--unseal", recorded.key, "-o", str(out)
    )
    return out


def test_stock_asciinema_plays_the_export(cast: Path) -> None:
    shown = at_terminal([find_program("asciinema"), "cat", str(cast)], b"", os.environ.copy())
    assert SAID.encode() in shown


LONG = r"""{"version": 2, "width": 80, "height": 24}
[0.1, "o", "one\r\n"]
[900.0, "o", "\u001b]0;title\u0007two\r\n"]
[1800.0, "m", "fix"]
[2700.0, "o", "three\r\n"]
"""


def test_a_person_pauses_searches_jumps_and_quits(recorded: Recorded, tmp_path: Path) -> None:
    """The waits of the recording are long ones, so nothing but a key brings it further."""
    long = tmp_path / "long.cast"
    long.write_text(LONG)
    replay = str(Path(sys.executable).with_name("remote-assist"))
    command = [replay, "audit", "replay", str(long), "--max-idle", "3600"]
    shown = at_terminal(command, b" /two\r n0/three\r/four\rq", recorded.world.environment("rita-home"))
    for said in (b"paused", b"/two", b"found: two", b"at: fix", b"found: three", b"not found from there on: four"):
        assert said in shown, said
    assert b"title" not in shown


def test_a_damaged_chunk_is_named_and_the_rest_still_exported(recorded: Recorded, tmp_path: Path) -> None:
    engine = create_engine(f"sqlite:///{recorded.world.folder / 'relay-data' / 'relay.db'}")
    with engine.begin() as connection:
        row = connection.execute(chunks.select().order_by(chunks.c.seq)).first()
        assert row is not None
        damaged = row.body[:50] + bytes([row.body[50] ^ 1]) + row.body[51:]
        connection.execute(update(chunks).where(chunks.c.seq == row.seq).values(body=damaged))
    try:
        out = tmp_path / "damaged.cast"
        words = ("export", recorded.session, "--format", "cast", "--unseal", recorded.key, "-o", str(out))
        said = recorded.audit(*words, expect=5).stderr
        assert f"chunk 0 of a1 in {recorded.session}" in said
        assert "MISSING" in out.read_text()
    finally:
        with engine.begin() as connection:
            connection.execute(update(chunks).where(chunks.c.seq == row.seq).values(body=row.body))
        engine.dispose()


def at_terminal(command: list[str], keys: bytes, environment: dict[str, str]) -> bytes:
    """Run a program at a terminal of its own, type keys once it shows something, and take all it shows."""
    process, master = pty.fork()
    if process == 0:
        os.execvpe(command[0], command, environment | {"TERM": "xterm"})
    shown, typed, deadline = b"", False, time.monotonic() + PATIENCE_SECONDS
    try:
        while time.monotonic() < deadline:
            if not select.select([master], [], [], 1)[0]:
                continue
            try:
                piece = os.read(master, 1 << 16)
            except OSError:
                break
            if not piece:
                break
            shown += piece
            if keys and not typed and b"\x1b[2J" in shown:
                typed = True
                os.write(master, keys)
    finally:
        os.close(master)
        os.waitpid(process, 0)
    return shown
