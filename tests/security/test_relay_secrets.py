"""T3: the relay serves only while nobody else can read its secrets; what it stores opens no login."""

import os
import sqlite3
import stat
import subprocess
from pathlib import Path

import pytest

from tests.scenarios.world import World


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


def _stored_token(home: Path) -> str:
    import json

    for path in home.rglob("*"):
        if path.is_file() and "token" in path.name:
            return str(json.loads(path.read_bytes())["token"])
    return ""
