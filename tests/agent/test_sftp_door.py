"""SFTP through a whole session, with asyncssh as the client: one open file one action, and consent at every read."""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from remote_assist.agent.doors import is_legacy_scp
from tests.agent.world import AgentWorld

FILES = ("files:read", "files:write")


@asynccontextmanager
async def client(world: AgentWorld) -> AsyncIterator[asyncssh.SFTPClient]:
    async with world.technician.connection() as connection, connection.start_sftp_client() as sftp:
        yield sftp


def _raw(read: bytes | str) -> bytes:
    """What a file opened in binary gave; asyncssh types it as either."""
    assert isinstance(read, bytes)
    return read


def _family(world: AgentWorld) -> list[str]:
    return [code for code in world.codes() if code.startswith(("RA12", "RA19"))]


async def _until(condition: str, world: AgentWorld) -> None:
    async with asyncio.timeout(5):
        while condition not in world.codes():
            await asyncio.sleep(0.01)


async def test_an_open_file_is_one_action_whose_outcome_comes_at_its_close(world: AgentWorld, tmp_path: Path) -> None:
    raw = os.urandom(300_000)
    (tmp_path / "a").write_bytes(raw)
    async with world.session(FILES), client(world) as sftp:
        async with sftp.open(str(tmp_path / "a"), "rb") as file:
            assert _raw(await file.read(1000)) == raw[:1000]
            assert _family(world) == ["RA1201I"]
            assert _raw(await file.read()) == raw[1000:]
        assert _family(world) == ["RA1201I", "RA1201O"]
        outcome = world.journal()[-1]
        assert outcome.outcome is not None
        assert (outcome.outcome.status, outcome.sizes["bytes"]) == ("done", len(raw))
        assert "sha256" in outcome.sealed
        assert hashlib.sha256(raw).hexdigest() not in repr(outcome.sealed)


async def test_a_consent_that_ends_stops_the_open_file_between_two_reads(world: AgentWorld, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(bytes(8 << 20))
    async with world.session(FILES) as live, client(world) as sftp:
        reading = await sftp.open(str(tmp_path / "a"), "rb", block_size=0)
        writing = await sftp.open(str(tmp_path / "b"), "wb", block_size=0)
        await reading.read(1000)
        await writing.write(b"before")
        world.customer.press_end()
        assert await live.ended() == 0
        for late in (writing.write(b"after", 6), reading.read(1000, 4 << 20)):
            with pytest.raises((asyncssh.Error, OSError, TimeoutError)):
                await asyncio.wait_for(late, 0.5)
    assert (tmp_path / "b").read_bytes() == b"before"
    ended = [record for record in world.journal() if record.code in {"RA1201O", "RA1202O"}]
    assert [record.outcome.status for record in ended if record.outcome] == ["aborted", "aborted"]
    assert {record.sizes["bytes"] for record in ended} == {1000, 6}


async def test_a_client_that_goes_away_closes_its_files(world: AgentWorld, tmp_path: Path) -> None:
    async with world.session(FILES):
        async with world.technician.connection() as connection:
            sftp = await connection.start_sftp_client()
            file = await sftp.open(str(tmp_path / "b"), "wb", block_size=0)
            await file.write(b"some")
            connection.abort()
        await _until("RA1202O", world)
    assert (tmp_path / "b").read_bytes() == b"some"


async def test_folders_of_a_consent_hold_for_every_request(world: AgentWorld, tmp_path: Path) -> None:
    inside, outside = tmp_path / "granted", tmp_path / "other"
    for folder in (inside, outside):
        folder.mkdir()
        (folder / "file").write_text(folder.name)
    world.customer.folders = (str(inside),)
    out, escape = str(outside / "file"), f"{inside}/../other/file"
    async with world.session(FILES), client(world) as sftp:
        assert await sftp.listdir(str(inside))
        async with sftp.open(str(inside / "file"), "rb") as file:
            assert _raw(await file.read()) == b"granted"
        refused: list[Any] = [
            sftp.stat(out),
            sftp.stat(escape),
            sftp.listdir(str(outside)),
            sftp.open(out, "rb"),
            sftp.open(escape, "wb"),
            sftp.remove(out),
            sftp.rename(str(inside / "file"), out + "2"),
            sftp.posix_rename(out, str(inside / "x")),
            sftp.mkdir(str(outside / "new")),
            sftp.rmdir(str(outside)),
            sftp.chmod(out, 0o600),
            sftp.symlink(out, str(inside / "link")),
            sftp.symlink("../other/file", str(inside / "link")),
            sftp.link(out, str(inside / "name")),
            sftp.readlink(out),
            sftp.statvfs(str(outside)),
        ]
        for request in refused:
            with pytest.raises(asyncssh.SFTPPermissionDenied, match="only inside"):
                await request
    assert (outside / "file").read_text() == "other"
    assert sorted(os.listdir(inside)) == ["file"]
    assert _family(world).count("RA1900R") >= 13


async def test_reading_back_what_is_open_to_write_needs_both_scopes(world: AgentWorld, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("secret")
    async with world.session(("files:write",)), client(world) as sftp:
        with pytest.raises(asyncssh.SFTPPermissionDenied, match="not allowed files:read"):
            await sftp.open(str(tmp_path / "a"), "rb+")
        with pytest.raises(asyncssh.SFTPPermissionDenied, match="not allowed files:read"):
            await sftp.stat(str(tmp_path / "a"))
        async with sftp.open(str(tmp_path / "b"), "wb") as file:
            await file.write(b"new")
    assert (tmp_path / "b").read_bytes() == b"new"


async def test_looks_are_counted_once_at_the_channels_end(world: AgentWorld, tmp_path: Path) -> None:
    async with world.session(FILES):
        async with client(world) as sftp:
            for _ in range(7):
                assert await sftp.exists(str(tmp_path))
        await _until("RA1209E", world)
    (counted,) = [record for record in world.journal() if record.code == "RA1209E"]
    assert counted.sizes["count"] >= 7
    assert not any(code.endswith("I") for code in _family(world))


async def test_a_session_of_our_own_program_leaves_no_stock_client_record(world: AgentWorld) -> None:
    async with world.session(FILES), client(world) as sftp:
        assert await sftp.realpath(b"/tmp/../etc/./x") == b"/etc/x"
    assert "RA1008E" not in world.codes()


@pytest.mark.parametrize(
    ("command", "legacy"),
    [
        ("scp -t /tmp", True),
        ("scp -r -p -f 'a b'", True),
        ("/usr/bin/scp -pt .", True),
        ("scp", False),
        ("scp a b:c", False),
        ("scp --tf", False),
        ("echo scp -t", False),
        ("scp 'unclosed", False),
    ],
)
def test_the_legacy_protocol_of_scp_is_recognised(command: str, legacy: bool) -> None:
    assert is_legacy_scp(command) is legacy
