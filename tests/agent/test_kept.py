"""Chain of custody: bundles and files kept for the reviewers, recorded before they go, whole or told to be not."""

import asyncio
import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest
from sqlalchemy import Connection

from relay.log.chunks import Chunks
from relay.storage.schema import chunks
from remote_assist.agent.recovery import recover
from remote_assist.audit.journal_files import JOURNAL_KEY
from remote_assist.core.log.chunk import MAX_CHUNK_BYTES
from remote_assist.core.messages import StoreChunk
from remote_assist.core.requests import Collect, EndSession, ReadFile
from remote_assist.diagnostics.catalog_loader import load_catalog
from remote_assist.errors import AuditUnavailable
from tests.agent.test_shell import eventually, store_of, stored
from tests.agent.world import AgentWorld

pytestmark = pytest.mark.slow

T = TypeVar("T")


def spool(world: AgentWorld) -> Path:
    return world.home.session_folder(world.technician.session) / "chunks"


def is_delivered(world: AgentWorld) -> bool:
    return spool(world).exists() and not os.listdir(spool(world))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source"
    path.write_bytes(os.urandom(MAX_CHUNK_BYTES * 2 + 1000))
    return path


async def test_a_file_is_kept_on_request_and_its_digests_stand_in_the_log_before_it_goes(
    world: AgentWorld, source: Path
) -> None:
    async with world.session() as live:
        got = await live.ask(ReadFile(path=os.fsencode(source), keep=True, offset=1000, prefix_sha256="0" * 64))
        assert got.data == source.read_bytes()
        assert got.done.sha256 == hashlib.sha256(got.data).hexdigest()
        await eventually(lambda: is_delivered(world))
        outcome = world.journal()[-1]
        records, contents = await stored(world, outcome.recording, "RA1412E")
    assert b"".join(contents) == got.data
    assert [record.sizes["bytes"] for record in records] == [MAX_CHUNK_BYTES, MAX_CHUNK_BYTES, 1000]
    assert outcome.sizes["chunks"] == 3
    assert all(set(record.sealed) == {"sha256"} for record in records)


async def test_nothing_is_kept_of_a_file_nobody_asked_to_keep(world: AgentWorld, source: Path) -> None:
    async with world.session() as live:
        await live.ask(ReadFile(path=os.fsencode(source)))
    assert "RA1412E" not in world.codes()


async def test_by_policy_every_file_is_kept_but_none_that_is_too_large(world: AgentWorld, source: Path) -> None:
    world.limit(keep_files=True, keep_bytes=300_000)
    small = source.with_name("small")
    small.write_bytes(b"small")
    async with world.session() as live:
        await live.ask(ReadFile(path=os.fsencode(small)))
        assert (await live.ask(ReadFile(path=os.fsencode(source)))).refused.reason == "too-large"
    assert world.codes().count("RA1412E") == 1


async def test_a_bundle_is_kept_as_it_was_sent_unless_policy_says_no(world: AgentWorld) -> None:
    item = (await asyncio.to_thread(load_catalog)).bundles["first-look"]
    request = Collect(bundle="first-look", version=item.version, digest=item.digest)
    async with world.session() as live:
        got = await live.ask(request)
        await eventually(lambda: is_delivered(world))
        _, contents = await stored(world, world.journal()[-1].recording, "RA1411E")
    assert b"".join(contents) == got.data


async def test_the_end_waits_until_the_relay_has_what_is_kept(world: AgentWorld, source: Path) -> None:
    async with world.session() as live:
        await live.ask(ReadFile(path=os.fsencode(source), keep=True))
        await live.ask(EndSession())
        assert await live.ended() == 0
    assert is_delivered(world)
    assert len((await stored(world, "a1", "RA1412E"))[1]) == 3


async def test_chunks_the_relay_could_not_take_are_delivered_at_the_next_start(world: AgentWorld, source: Path) -> None:
    store = store_of(world)
    write = store.write

    async def full(work: Callable[[Connection], T]) -> T:
        if work.__qualname__.startswith("Chunks."):
            raise AuditUnavailable("the relay's disk is full", reason="store-full")
        return await write(work)

    store.write = full  # type: ignore[method-assign]  # a disk that takes records and no chunks
    async with world.session() as live:
        got = await live.ask(ReadFile(path=os.fsencode(source), keep=True))
        world.customer.press_end()
        await live.ended()
    assert len(os.listdir(spool(world))) == 3
    assert (world.home.session_folder(world.technician.session) / JOURNAL_KEY).exists()
    store.write = write  # type: ignore[method-assign]
    await recover(world.around, world.customer)
    assert is_delivered(world)
    assert not (world.home.session_folder(world.technician.session) / JOURNAL_KEY).exists()
    assert b"".join((await stored(world, "a1", "RA1412E"))[1]) == got.data


async def test_the_relay_takes_only_bytes_that_the_log_names(world: AgentWorld, source: Path) -> None:
    async with world.session() as live:
        await live.ask(ReadFile(path=os.fsencode(source), keep=True))
        await eventually(lambda: is_delivered(world))
    session = world.technician.session
    row = (await store_of(world).read(lambda c: c.execute(chunks.select()).all()))[0]
    taker = Chunks(
        store_of(world), lambda draft: asyncio.sleep(0), clock=world.relay.clock, session_bytes=1, all_bytes=1
    )
    answers = [
        await taker.keep(StoreChunk(session=session, seq=seq, body=body))
        for seq, body in ((row.seq, row.body), (row.seq, b"others"), (10**6, row.body), (0, row.body))
    ]
    assert [getattr(answer, "reason", "stored") for answer in answers] == [
        "stored",
        "mismatch",
        "no-record",
        "mismatch",
    ]
