"""get, put and ls over real SSH with a scripted agent."""

import hashlib
import os
from pathlib import Path

import pytest

from remote_assist.core.requests import Entry, InputEnd, ListFolder, Listing, Progress, ReadFile, Refused, WriteFile
from remote_assist.errors import AssistError, ConsentDenied, RefusedError, UsageError, VerificationError
from remote_assist.technician.files import bring, fetch, list_folder
from remote_assist.transport.channel import MessageChannel
from tests.technician.world import Log, session_folder, talking

RAW = os.urandom(3 << 20)
DIGEST = hashlib.sha256(RAW).hexdigest()


def digest(raw: bytes | bytearray) -> str:
    return hashlib.sha256(raw).hexdigest()


async def test_a_fetched_file_is_the_file_that_was_sent(tmp_path: Path) -> None:
    log, shown = Log(), list[Progress]()

    async def agent(channel: MessageChannel) -> None:
        request = await channel.receive()
        assert request == ReadFile(path=b"/var/log/big.log")
        await channel.send(log.accepted(size=len(RAW)))
        await channel.send_data(RAW)
        await channel.send(log.done(size=len(RAW), sha256=DIGEST, acknowledgement=log.acknowledge()))

    folder = session_folder(tmp_path)
    async with talking(folder, log, agent) as conversation:
        fetched = await fetch(conversation, b"/var/log/big.log", tmp_path, on_progress=shown.append)
    assert fetched.path == tmp_path / "big.log"
    assert fetched.path.read_bytes() == RAW
    assert (shown[-1].done, shown[-1].total) == (len(RAW), len(RAW))
    assert [one.seq for one in folder.acknowledgements()] == [0, 1]


async def test_a_broken_fetch_goes_on_where_it_was(tmp_path: Path) -> None:
    log = Log()
    (tmp_path / ".big.log.part").write_bytes(RAW[: 1 << 20])

    async def agent(channel: MessageChannel) -> None:
        request = await channel.receive()
        assert isinstance(request, ReadFile)
        assert (request.offset, request.prefix_sha256) == (1 << 20, digest(RAW[: 1 << 20]))
        await channel.send(log.accepted(size=len(RAW), offset=1 << 20))
        await channel.send_data(RAW[1 << 20 :])
        await channel.send(log.done(size=len(RAW), sha256=DIGEST))

    async with talking(session_folder(tmp_path), log, agent) as conversation:
        fetched = await fetch(conversation, b"/var/log/big.log", tmp_path)
    assert fetched.resumed_bytes == 1 << 20
    assert fetched.path.read_bytes() == RAW


async def test_a_changed_byte_on_the_way_is_found_and_the_file_removed(tmp_path: Path) -> None:
    log = Log()

    async def agent(channel: MessageChannel) -> None:
        await channel.receive()
        await channel.send(log.accepted(size=len(RAW)))
        await channel.send_data(b"\0" + RAW[1:])
        await channel.send(log.done(size=len(RAW), sha256=DIGEST))

    target = tmp_path / "got"
    target.mkdir()
    async with talking(session_folder(tmp_path), log, agent) as conversation:
        with pytest.raises(VerificationError):
            await fetch(conversation, b"/var/log/big.log", target)
    assert list(target.iterdir()) == []


async def test_an_acknowledgement_nobody_signed_stops_the_fetch(tmp_path: Path) -> None:
    log, forger = Log(), Log()

    async def agent(channel: MessageChannel) -> None:
        await channel.receive()
        await channel.send(forger.accepted(size=1))
        await channel.receive()

    folder = session_folder(tmp_path)
    async with talking(folder, log, agent) as conversation:
        with pytest.raises(VerificationError, match="not signed by the relay's log key"):
            await fetch(conversation, b"/etc/hosts", tmp_path)
    assert folder.acknowledgements() == []


async def test_an_acknowledgement_of_another_session_is_refused(tmp_path: Path) -> None:
    log = Log()

    async def agent(channel: MessageChannel) -> None:
        await channel.receive()
        await channel.send(log.accepted().__class__(action="1", acknowledgement=log.acknowledge("s-bbbbbbbbbbbbbbbb")))
        await channel.receive()

    async with talking(session_folder(tmp_path), log, agent) as conversation:
        with pytest.raises(VerificationError, match="another session"):
            await fetch(conversation, b"/etc/hosts", tmp_path)


async def test_the_customers_no_is_a_refusal_with_its_reason(tmp_path: Path) -> None:
    log = Log()

    async def agent(channel: MessageChannel) -> None:
        await channel.receive()
        await channel.send(Refused(reason="out-of-scope", sentence="files:read was not granted", advice="Ask."))
        await channel.receive()
        await channel.send(Refused(reason="denied", sentence="no"))
        await channel.receive()
        await channel.send(Refused(reason="failed", sentence="there is no such file"))

    async with talking(session_folder(tmp_path), log, agent) as conversation:
        with pytest.raises(RefusedError) as refusal:
            await fetch(conversation, b"/etc/shadow", tmp_path)
        assert (refusal.value.reason, refusal.value.advice) == ("out-of-scope", "Ask.")
        with pytest.raises(ConsentDenied):
            await list_folder(conversation, b"/etc")
        with pytest.raises(AssistError, match="no such file") as fault:
            await list_folder(conversation, b"/nowhere")
        assert not isinstance(fault.value, RefusedError)
    assert not (tmp_path / "shadow").exists()
    assert not (tmp_path / ".shadow.part").exists()


async def test_a_name_that_leads_out_is_refused_before_anything_is_asked(tmp_path: Path) -> None:
    async def agent(channel: MessageChannel) -> None:
        raise AssertionError(await channel.receive())

    async with talking(session_folder(tmp_path), Log(), agent) as conversation:
        with pytest.raises(RefusedError):
            await fetch(conversation, b"/var/log/..", tmp_path)
        with pytest.raises(UsageError, match="not a folder"):
            await fetch(conversation, b"/var/log/x", tmp_path / "nowhere")


async def test_a_brought_file_arrives_with_its_digest_and_mode(tmp_path: Path) -> None:
    log, came = Log(), bytearray()
    local = tmp_path / "tool.sh"
    local.write_bytes(RAW)
    local.chmod(0o750)

    async def agent(channel: MessageChannel) -> None:
        request = await channel.receive()
        assert request == WriteFile(
            folder=b"/tmp", name=b"tool.sh", size=len(RAW), sha256=DIGEST, mode=0o750, overwrite=False
        )
        await channel.send(log.accepted())
        while not isinstance(piece := await channel.receive(), InputEnd):
            assert isinstance(piece, bytes)
            came.extend(piece)
        await channel.send(log.done(size=len(came), sha256=digest(came)))

    async with talking(session_folder(tmp_path), log, agent) as conversation:
        done = await bring(conversation, local, b"/tmp")
    assert (bytes(came), done.sha256) == (RAW, DIGEST)


async def test_a_brought_file_goes_on_after_what_the_agent_holds(tmp_path: Path) -> None:
    log, came = Log(), bytearray()
    local = tmp_path / "x"
    local.write_bytes(RAW)

    async def agent(channel: MessageChannel) -> None:
        await channel.receive()
        await channel.send(log.accepted(offset=2 << 20, prefix_sha256=digest(RAW[: 2 << 20])))
        while not isinstance(piece := await channel.receive(), InputEnd):
            assert isinstance(piece, bytes)
            came.extend(piece)
        await channel.send(log.done(size=len(RAW), sha256=DIGEST))

    async with talking(session_folder(tmp_path), log, agent) as conversation:
        await bring(conversation, local, b"/tmp")
    assert bytes(came) == RAW[2 << 20 :]


async def test_a_brought_file_with_another_digest_there_is_no_success(tmp_path: Path) -> None:
    log = Log()
    local = tmp_path / "x"
    local.write_bytes(RAW)

    async def agent(channel: MessageChannel) -> None:
        await channel.receive()
        await channel.send(log.accepted())
        while not isinstance(await channel.receive(), InputEnd):
            pass
        await channel.send(log.done(size=len(RAW), sha256=digest(b"other text")))

    async with talking(session_folder(tmp_path), log, agent) as conversation:
        with pytest.raises(VerificationError, match="did not arrive as it was sent"):
            await bring(conversation, local, b"/tmp")


async def test_something_else_left_at_the_agent_is_not_continued(tmp_path: Path) -> None:
    log = Log()
    local = tmp_path / "x"
    local.write_bytes(RAW)

    async def agent(channel: MessageChannel) -> None:
        await channel.receive()
        await channel.send(log.accepted(offset=10, prefix_sha256=digest(b"other text")))
        await channel.receive()

    async with talking(session_folder(tmp_path), log, agent) as conversation:
        with pytest.raises(VerificationError, match="not the beginning"):
            await bring(conversation, local, b"/tmp")


async def test_only_regular_files_are_brought(tmp_path: Path) -> None:
    async def agent(channel: MessageChannel) -> None:
        raise AssertionError(await channel.receive())

    async with talking(session_folder(tmp_path), Log(), agent) as conversation:
        with pytest.raises(UsageError, match="no file"):
            await bring(conversation, tmp_path / "nowhere", b"/tmp")
        with pytest.raises(UsageError, match="regular"):
            await bring(conversation, tmp_path, b"/tmp")


async def test_a_listing_may_come_in_parts(tmp_path: Path) -> None:
    log = Log()
    entries = [Entry(name=b"a%d" % n, kind="file", size=n, mode=0o644, modified=0.0) for n in range(5)]

    async def agent(channel: MessageChannel) -> None:
        assert await channel.receive() == ListFolder(path=b"/srv")
        await channel.send(log.accepted())
        await channel.send(Listing(entries=tuple(entries[:3])))
        await channel.send(Listing(entries=tuple(entries[3:]), truncated=True))
        await channel.send(log.done())

    async with talking(session_folder(tmp_path), log, agent) as conversation:
        listing = await list_folder(conversation, b"/srv")
    assert (list(listing.entries), listing.truncated) == (entries, True)
