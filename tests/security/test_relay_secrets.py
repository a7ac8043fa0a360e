"""T3: the relay serves only while nobody else can read its secrets; what it stores opens no login, what it logs tells
nothing: neither code nor token nor content, even with every library's debug messages."""

import os
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.scenarios.world import World, next_line


@pytest.fixture(scope="module")
def founded(tmp_path_factory: pytest.TempPathFactory) -> World:
    world = World(tmp_path_factory.mktemp("secrets"))
    world.found_organisation()
    return world


def _serve(world: World) -> subprocess.CompletedProcess[str]:
    words = ("serve", "--data", "relay-data", "--listen", f"127.0.0.1:{world.port}")
    return world.command("remote-assist-relay", *words, expect=None, timeout=20)


@pytest.mark.parametrize(("name", "mode"), [("log_key", 0o640), ("log_key", 0o604), (".", 0o755), ("relay.db", 0o644)])
def test_a_relay_does_not_serve_with_a_secret_others_can_read(founded: World, name: str, mode: int) -> None:
    path = founded.folder / "relay-data" / name
    before = stat.S_IMODE(path.stat().st_mode)
    os.chmod(path, mode)
    try:
        done = _serve(founded)
    finally:
        os.chmod(path, before)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "chmod" in done.stderr


def test_every_file_of_the_data_folder_is_the_relays_own(founded: World) -> None:
    for path in [founded.folder / "relay-data", *(founded.folder / "relay-data").rglob("*")]:
        if path.name in {"adopt-request", "ca.pub", "address", "lists"} or path.parent.name == "lists":
            continue  # made to be handed around
        wanted = 0o700 if path.is_dir() else 0o600
        assert stat.S_IMODE(path.stat().st_mode) & ~wanted == 0, path


def test_a_stolen_database_opens_no_login(founded: World) -> None:
    relay = founded.serve()
    try:
        founded.login()
        token = _stored_token(founded.folder / "alice-home")
        with sqlite3.connect(founded.folder / "relay-data" / "relay.db") as database:
            dump = "\n".join(database.iterdump())
        assert token
        assert token not in dump
    finally:
        relay.terminate()
        relay.wait(10)
        founded.close()


LOUD = """
import logging, sys
logging.basicConfig(level=logging.DEBUG, stream=sys.stderr)
from relay.__main__ import main
sys.exit(main())
"""
SECRETS = ("spoken-in-an-argument", "printed-by-a-program", "kept-in-a-file", "said-in-the-chat", "noted-at-the-end")


def test_the_log_of_a_whole_session_holds_no_code_token_or_content(tmp_path: Path) -> None:
    argument, printed, kept, said, noted = SECRETS
    world = World(tmp_path)
    try:
        world.take_organisation()
        words = ("serve", "--data", "relay-data", "--listen", f"127.0.0.1:{world.port}")
        with (tmp_path / "loud.log").open("w") as log:
            environment = {**world.environment("operator-home"), "PYTHONASYNCIODEBUG": "1"}
            argv = [sys.executable, "-c", LOUD, *words]
            world.programs.append(
                subprocess.Popen(
                    argv,
                    cwd=tmp_path,
                    env=environment,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    text=True,
                )
            )
        world.command("remote-assist-relay", "check", "--wait", "30", "--data", "relay-data")
        world.login()
        inviting, code = world.invite(world.new_ticket())
        world.join(code)
        session = next_line(inviting)
        (tmp_path / "note.txt").write_text(kept)
        (tmp_path / "copies").mkdir()
        shown = world.command("run", session, "--", "sh", "-c", f"echo {printed[::-1]} | rev; : {argument}")
        assert shown.stdout.strip() == printed
        world.command("get", session, str(tmp_path / "note.txt"), str(tmp_path / "copies"))
        world.command("put", session, str(tmp_path / "copies" / "note.txt"), str(tmp_path / "org"))
        world.command("chat", session, said)
        world.command("diagnose", session, "--bundle", "first-look", "-o", str(tmp_path / "bundle.tar.zst"))
        world.command("end", session, "--note", noted)
        world.command("login", "--key", "alice", expect=0)
        world.command("tickets", "show", "no-such-ticket", expect=None)
        token = _stored_token(tmp_path / "alice-home")
        heard = world.log("loud.log")
        assert "DEBUG" in heard or "debug" in heard, "the log is as loud as it can be"
        for secret in (*SECRETS, token, code, code.partition("-")[2]):
            assert secret not in heard, secret
        assert "BEGIN" not in heard and "Bearer" not in heard
    finally:
        world.close()


def _stored_token(home: Path) -> str:
    import json

    for path in home.rglob("*"):
        if path.is_file() and "token" in path.name:
            return str(json.loads(path.read_bytes())["token"])
    return ""
