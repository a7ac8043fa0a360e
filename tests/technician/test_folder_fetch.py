"""A folder from a scripted agent: what it may say, and what of it is believed."""

import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from remote_assist.core.file_batch import (
    MAX_BATCH_BYTES,
    MAX_FILE_BYTES,
    MAX_NAMED,
    MAX_NAMED_BYTES,
    FileHead,
    digest_of,
    head_line,
)
from remote_assist.core.requests import Entry, ListFolder, Listing, ReadFile, ReadMany
from remote_assist.errors import AssistError, RefusedError, RemoteProtocolError, VerificationError
from remote_assist.technician.conversation import Conversation
from remote_assist.technician.folder_fetch import FetchedFolder, FolderFetch, Wish, batches
from remote_assist.technician.remote_tree import Wanted
from remote_assist.transport import ssh
from remote_assist.transport.channel import ConversationEnded, MessageChannel
from tests.technician.world import Log, session_folder, talking

CONTENT = b"content"
SHA256 = hashlib.sha256(CONTENT).hexdigest()
HONEST = FileHead(number=0, size=len(CONTENT), modified=5.0, sha256=SHA256)


async def fetched(tmp_path: Path, stream: bytes, sha256: str) -> FetchedFolder:
    """What comes of an agent that lists `/r/a` and `/r/b` and answers the batch with `stream` and `sha256`."""
    log = Log()

    async def agent(channel: MessageChannel) -> None:
        try:
            while True:
                await _answer(channel, await channel.receive(), log, stream, sha256)
        except ConversationEnded:
            return

    @asynccontextmanager
    async def shared() -> AsyncIterator[Conversation]:
        yield conversation

    (tmp_path / "in").mkdir()
    async with talking(session_folder(tmp_path), log, agent) as conversation:
        return await FolderFetch(shared, Wish(b"/r", tmp_path / "in")).run()


async def _answer(channel: MessageChannel, request: object, log: Log, stream: bytes, sha256: str) -> None:
    match request:
        case ListFolder():
            entries = tuple(Entry(name=name, kind="file", size=7, mode=0, modified=5.0) for name in (b"a", b"b"))
            await channel.send(log.accepted())
            await channel.send(Listing(entries=entries))
            await channel.send(log.done())
        case ReadMany():
            assert (request.folder, request.names) == (b"/r", (b"a", b"b"))
            await channel.send(log.accepted(size=2))
            await channel.send_data(stream)
            await channel.send(log.done(sha256=sha256))
        case ReadFile():
            assert request.path == b"/r/b"
            await channel.send(log.accepted(size=len(CONTENT)))
            await channel.send_data(CONTENT)
            await channel.send(log.done(size=len(CONTENT), sha256=SHA256))


def _stream(*heads: FileHead) -> bytes:
    return b"".join(head_line(head) + CONTENT[: head.size] for head in heads)


async def test_what_comes_is_placed_and_what_grew_meanwhile_is_fetched_alone(tmp_path: Path) -> None:
    stream = _stream(HONEST, FileHead(number=1, reason="too-large"))
    found = await fetched(tmp_path, stream, digest_of([(b"/r/a", SHA256)]))
    assert (found.files, found.size, found.left_out) == (2, 14, [])
    for name in "ab":
        assert (tmp_path / "in" / "r" / name).read_bytes() == CONTENT
        assert (tmp_path / "in" / "r" / name).stat().st_mtime == 5.0


async def test_a_file_that_vanished_is_named_with_what_the_agent_said(tmp_path: Path) -> None:
    stream = _stream(HONEST, FileHead(number=1, reason="link", sentence="it is one now"))
    found = await fetched(tmp_path, stream, digest_of([(b"/r/a", SHA256)]))
    assert [(one.path, one.sentence, one.harmless) for one in found.left_out] == [(b"b", "it is one now", False)]


@pytest.mark.parametrize(
    ("heads", "sha256", "error", "left"),
    [
        ((FileHead(number=0, size=7, sha256="0" * 64),), "", VerificationError, []),
        ((HONEST, FileHead(number=1, reason="failed")), "0" * 64, VerificationError, ["a"]),
        ((HONEST,), digest_of([(b"/r/a", SHA256)]), VerificationError, ["a"]),
        ((HONEST, HONEST), "", RemoteProtocolError, []),
    ],
    ids=["another-content", "another-sum", "one-missing", "one-twice"],
)
async def test_an_agent_that_sends_something_else_is_not_believed(
    tmp_path: Path, heads: tuple[FileHead, ...], sha256: str, error: type[AssistError], left: list[str]
) -> None:
    with pytest.raises(error):
        await fetched(tmp_path, _stream(*heads), sha256)
    assert [one.name for one in (tmp_path / "in" / "r").iterdir()] == left


async def test_an_older_agent_that_knows_no_whole_folders_is_not_asked_for_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ssh, "GREETED_AS", "remote-assist_0.1.0")
    with pytest.raises(RefusedError, match=r"older than this program \(it speaks 1.0, this one"):
        await fetched(tmp_path, _stream(HONEST), SHA256)


def _count(size: int, name: Callable[[int], bytes], count: int) -> list[int]:
    return [len(one) for one in batches((Wanted(name(number), size, 0.0) for number in range(count)), b"/r")]


def test_a_batch_is_bounded_by_names_by_their_length_and_by_bytes() -> None:
    assert list(batches([], b"/r")) == []
    assert _count(1, b"%d".__mod__, 2 * MAX_NAMED + 1) == [MAX_NAMED, MAX_NAMED, 1]
    assert _count(MAX_FILE_BYTES, b"%d".__mod__, 33) == [MAX_BATCH_BYTES // MAX_FILE_BYTES, 1]
    long = _count(1, lambda number: b"\xff" * 200 + b"%d" % number, 900)
    assert max(long) < MAX_NAMED_BYTES // (200 * 5)
    assert sum(long) == 900
