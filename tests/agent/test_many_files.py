"""Many files by one intent: all named before, each as a single file is read, what does not come is named."""

import hashlib
import io
import os
import tarfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from remote_assist.core.file_batch import MAX_FILE_BYTES, MAX_NAMED_BYTES, BatchReader, FileHead, digest_of
from remote_assist.core.records import Record
from remote_assist.core.requests import Cancel, FolderListed, ListMany, ReadMany
from tests.agent.test_kept import is_delivered
from tests.agent.test_shell import eventually, stored
from tests.agent.world import AgentWorld, Answers, LiveSession, agent_world

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def live(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[LiveSession]:
    """One session for this file; the customer allowed one folder."""
    async with agent_world(tmp_path_factory.mktemp("many")) as world:
        world.customer.folders = (str(world.folder),)
        async with world.session() as session:
            yield session


@pytest.fixture
def folder(live: LiveSession, request: pytest.FixtureRequest) -> Path:
    """A folder of the test's own inside the one that is allowed."""
    path = live.world.folder / str(request.node.name)[:40]
    path.mkdir()
    return path


def _last(world: AgentWorld, code: str) -> Record:
    return [record for record in world.journal() if record.code == code][-1]


def _asked(folder: Path, *names: str, keep: bool = False) -> ReadMany:
    return ReadMany(folder=os.fsencode(folder), names=tuple(os.fsencode(name) for name in names), keep=keep)


def _files(got: Answers, count: int) -> list[tuple[FileHead, bytes]]:
    reader = BatchReader(count)
    found = list(reader.feed(got.data))
    assert reader.complete
    return found


async def test_one_intent_names_every_file_and_one_outcome_counts_what_came(live: LiveSession, folder: Path) -> None:
    (folder / "below").mkdir()
    contents = {"a": b"first", "below/b": b"second", "empty": b""}
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    got = await live.ask(_asked(folder, *contents))
    found = _files(got, 3)
    assert [content for _, content in found] == list(contents.values())
    assert [head.sha256 for head, _ in found] == [hashlib.sha256(one).hexdigest() for one in contents.values()]
    assert found[0][0].modified == (folder / "a").stat().st_mtime
    digests = [(os.fsencode(folder / name), head.sha256) for name, (head, _) in zip(contents, found, strict=True)]
    assert got.done.sha256 == digest_of(digests)
    intent, outcome = [_last(live.world, f"RA1210{letter}") for letter in "IO"]
    assert intent.paths == tuple(str(folder / name) for name in contents)
    assert outcome.paths == (str(folder),)
    assert outcome.sizes == {"files": 3, "bytes": 11, "left-out": 0}
    assert set(outcome.sealed) == {"sha256", "digests"}
    assert any("reads 3 files in" in line for line in live.world.customer.lines)


async def test_what_cannot_be_read_is_named_and_the_rest_comes(live: LiveSession, folder: Path) -> None:
    (folder / "plain").write_bytes(b"here")
    (folder / "large").write_bytes(bytes(MAX_FILE_BYTES + 1))
    (folder / "link").symlink_to("plain")
    (folder / "out").symlink_to("/etc")
    (folder / "folder").mkdir()
    os.mkfifo(folder / "pipe")
    names = ("link", "out/hostname", "gone", "large", "folder", "pipe", "plain")
    found = _files(await live.ask(_asked(folder, *names)), len(names))
    reasons = ["link", "link", "failed", "too-large", "not-a-file", "not-a-file", ""]
    assert [head.reason for head, _ in found] == reasons
    assert found[-1][1] == b"here"
    outcome = _last(live.world, "RA1210O")
    assert (outcome.sizes["files"], outcome.sizes["left-out"]) == (1, 6)
    assert "left-out" in outcome.sealed


async def test_many_folders_are_listed_by_one_intent_that_names_them(live: LiveSession, folder: Path) -> None:
    (folder / "one" / "two").mkdir(parents=True)
    (folder / "one" / "a").write_bytes(b"a")
    (folder / "way").symlink_to("one")
    names = (b"one", b"one/two", b"one/a", b"way", b"gone")
    got = await live.ask(ListMany(folder=os.fsencode(folder), names=names))
    listed = [message for message in got.messages if isinstance(message, FolderListed)]
    assert [(one.number, one.reason) for one in listed] == [(0, ""), (1, ""), (2, "failed"), (3, "link"), (4, "failed")]
    assert [(entry.name, entry.kind) for entry in listed[0].entries] == [(b"a", "file"), (b"two", "folder")]
    intent, outcome = [_last(live.world, f"RA1211{letter}") for letter in "IO"]
    assert intent.paths == tuple(os.fsdecode(os.fsencode(folder) + b"/" + name) for name in names)
    assert outcome.sizes == {"folders": 5, "entries": 2}


async def test_what_belongs_to_the_agent_is_left_out(live: LiveSession) -> None:
    own = os.fspath(next(path for path in live.world.home.path.rglob("*") if path.is_file()))
    name = os.path.relpath(own, live.world.folder)
    assert [head.reason for head, _ in _files(await live.ask(_asked(live.world.folder, name)), 1)] == ["off-limits"]


async def test_names_that_lead_elsewhere_or_are_too_many_for_a_record_are_refused(
    live: LiveSession, folder: Path
) -> None:
    long = ["x" * 250 + str(number) for number in range(MAX_NAMED_BYTES // 250)]
    before = live.world.codes()
    for names in ([], ["../etc/hostname"], ["/etc/hostname"], ["a", "a"], ["a//b"], ["a/"], ["."], long):
        assert (await live.ask(_asked(folder, *names))).refused.reason == "usage"
    assert live.world.codes() == before


async def test_a_consent_that_names_folders_holds_for_many_files_too(live: LiveSession) -> None:
    refused = (await live.ask(_asked(live.world.folder.parent, "x"))).refused
    assert refused.reason == "outside-folders"


async def test_a_batch_that_is_stopped_says_how_far_it_came(live: LiveSession, folder: Path) -> None:
    names = [str(number) for number in range(30)]
    for name in names:
        (folder / name).write_bytes(bytes(MAX_FILE_BYTES - 1))
    got = await live.ask(_asked(folder, *names), Cancel())
    assert got.done.status == "cancelled"
    outcome = _last(live.world, "RA1210O")
    assert outcome.sizes.get("files", 0) < 30


async def test_a_kept_batch_is_one_sealed_archive_that_tar_reads(live: LiveSession, folder: Path) -> None:
    (folder / "a").write_bytes(b"a" * 700_000)
    (folder / "b").write_bytes(b"b" * 700_000)
    (folder / "c").write_bytes(b"c")
    await live.ask(_asked(folder, "a", "b", "gone", "c", keep=True))
    await eventually(lambda: is_delivered(live.world))
    _, chunks = await stored(live.world, _last(live.world, "RA1210O").recording, "RA1412E")
    with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as archive:
        members = {member.name: member.size for member in archive}
    assert members == {f"{folder}/{name}".lstrip("/"): (folder / name).stat().st_size for name in "abc"}
