"""The SFTP server of transport/sftp.py: nothing of asyncssh's own is left that could reach a disk."""

import asyncio
from pathlib import Path

import asyncssh
import pytest
from asyncssh.sftp import SFTPServerHandler

from remote_assist.transport.doors import RemoteProgram
from remote_assist.transport.sftp import GatedSFTPServer, _Handler, serve_sftp
from tests.transport.world import EchoDoors, connected


def test_every_method_of_asyncsshs_server_is_overridden() -> None:
    inherited = {name for name in dir(asyncssh.SFTPServer) if not (name.startswith("__") and name.endswith("__"))}
    assert inherited - set(vars(GatedSFTPServer)) == set()
    assert {"remove", "open", "open56", "posix_rename", "symlink", "statvfs"} <= inherited


def test_the_extension_that_would_seek_files_by_itself_is_gone() -> None:
    assert b"ranges@asyncssh.com" in SFTPServerHandler._packet_handlers
    assert b"ranges@asyncssh.com" not in _Handler._packet_handlers
    assert b"ranges@asyncssh.com" not in dict(_Handler._extensions)


class PlainFile:
    """A file of zero bytes that never ends; counts what was asked for."""

    def __init__(self) -> None:
        self.reads = 0


class ZeroDoor:
    """A FileDoor with one endless file; whatever else is asked fails the test."""

    def __init__(self) -> None:
        self.file = PlainFile()
        self.left = asyncio.Event()

    def __getattr__(self, name: str) -> object:
        raise AssertionError(f"nobody asked for {name}")

    async def open(self, path: bytes, wish: object) -> PlainFile:
        return self.file

    async def close(self, file: PlainFile) -> None:
        return

    async def read(self, file: PlainFile, offset: int, size: int) -> bytes:
        file.reads += 1
        return bytes(size)

    async def leave(self) -> None:
        self.left.set()


class SftpDoors(EchoDoors):
    def __init__(self) -> None:
        super().__init__()
        self.door = ZeroDoor()

    async def sftp(self, program: RemoteProgram, peer_key: str) -> int:
        return await serve_sftp(program, self.door)  # type: ignore[arg-type]  # the part of a FileDoor it needs


async def test_a_client_that_takes_no_answers_is_not_read_on() -> None:
    """64 MiB are asked for and nothing is taken: the agent answers what fits the windows, and holds no more."""
    doors = SftpDoors()
    async with connected(doors=doors) as world:
        writer, reader, _ = await world.client.open_session(subsystem="sftp", encoding=None, window=1 << 16)
        opened = b"\0\0\0\x05\x01\0\0\0\x03" + _packet(
            3, b"\0\0\0\x01" + _string(b"/x") + bytes([0, 0, 0, 1]) + bytes(4)
        )
        writer.write(opened)
        assert (await reader.readexactly(5))[4] == 2  # its version
        for number in range(2, 66):
            writer.write(
                _packet(5, number.to_bytes(4, "big") + _string(bytes(4)) + bytes(8) + (1 << 20).to_bytes(4, "big"))
            )
        answered = -1
        while answered != doors.door.file.reads:
            answered = doors.door.file.reads
            await asyncio.sleep(0.3)
        assert 1 <= answered < 16
        writer.close()
        world.client.abort()
        await asyncio.wait_for(doors.door.left.wait(), 5)


async def test_bytes_that_are_no_sftp_end_the_channel_and_nothing_is_asked() -> None:
    doors = SftpDoors()
    async with connected(doors=doors) as world:
        for raw in (b"GET / HTTP/1.1\r\n\r\n", b"\xff\xff\xff\xff\x01", b"\0\0\0\x01\x07"):
            done = await world.client.run(subsystem="sftp", input=raw, encoding=None, check=False, timeout=5)
            assert done.exit_status == 0
        assert doors.door.left.is_set()


@pytest.mark.parametrize("version", [3, 6])
async def test_only_version_3_is_spoken(version: int, tmp_path: Path) -> None:
    doors = SftpDoors()
    async with connected(doors=doors) as world, world.client.start_sftp_client(sftp_version=version) as sftp:
        assert sftp.version == 3
        async with sftp.open("/x", "rb") as file:
            read: object = await file.read(1000)
            assert read == bytes(1000)


def _string(raw: bytes) -> bytes:
    return len(raw).to_bytes(4, "big") + raw


def _packet(kind: int, body: bytes) -> bytes:
    return _string(bytes([kind]) + body)
