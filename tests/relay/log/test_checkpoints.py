"""The log as strangers check it: checkpoints that only grow, tiles that make its root, proofs, rolled-back stores."""

import asyncio
import secrets
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from relay.log import checkpoints as checkpoints_module
from relay.log.chains import Chains
from relay.log.checkpoints import CHECKPOINT, COVER_SECONDS, Checkpoints
from relay.log.keys import LogKeys, prepare_next
from relay.log.ledger import Ledger
from relay.log.tree import WIDTH, LogTree, TreeReader
from relay.migrations import migrate
from relay.pages.log import tile_place
from relay.storage.data_folder import open_database, replace_file
from relay.storage.database import open_engine
from relay.storage.store import Store
from relay.trust import TrustFolder
from remote_assist.core.api import ConsistencyAnswer, Records
from remote_assist.core.checkpoint import Checkpoint, open_checkpoint, open_rollback
from remote_assist.core.codec import decode
from remote_assist.core.messages import AskCheckpoint, AskProofs, CheckpointGiven, ProofsGiven, ToAgent
from remote_assist.core.records import Actor, RecordDraft, leaf_hash, log_entry
from remote_assist.core.signing.signed_note import log_origin
from remote_assist.core.tree import Frontier, check_consistency, check_inclusion, leaf_of
from remote_assist.errors import ContentError, RefusedError, UsageError, VerificationError
from tests.relay.world import Agent, Organisation, RelayWorld, TurnableClock, understood


async def _checkpoint(world: RelayWorld, covers: int = -1) -> Checkpoint:
    query = "" if covers < 0 else f"?covers={covers}"
    status, raw = await world.call("GET", f"/v1/log/checkpoint{query}")
    assert status == 200, raw
    return open_checkpoint(raw.decode(), [world.organisation.log_key])


async def _session(world: RelayWorld, records: int) -> tuple[Agent, str]:
    """A session with so many records after its opening, and its technician's token."""
    person, token = await world.technician()
    agent = world.agent(person, await world.ticket(token))
    await agent.open()
    for _ in range(records):
        await agent.append(agent.record("RA1209E", sizes={"count": 1}))
    return agent, token


async def test_an_empty_log_has_a_checkpoint_too(world: RelayWorld) -> None:
    assert (await _checkpoint(world)).size == 0


async def test_every_record_is_proved_by_a_checkpoint_that_covers_it(world: RelayWorld) -> None:
    agent, token = await _session(world, 6)
    checkpoint = await _checkpoint(world, covers=6)
    assert checkpoint.size == 7
    page = await world.get(f"/v1/sessions/{agent.session}/records?from=0&size=7", Records, token)
    assert len(page.proofs) == len(page.records) == 7
    for one, proof in zip(page.records, page.proofs, strict=True):
        given = one.acknowledgement
        leaf = leaf_hash(given.time, given.hash)
        check_inclusion(leaf, given.index, 7, proof, checkpoint.head.root, where=f"leaf {given.index}")
    older = await world.get(f"/v1/sessions/{agent.session}/records?from=0&size=2", Records, token)
    assert [bool(proof) for proof in older.proofs] == [True, True, False, False, False, False, False]


async def test_who_asks_for_a_leaf_the_log_has_not_is_refused_at_once(world: RelayWorld) -> None:
    await _session(world, 1)
    async with asyncio.timeout(COVER_SECONDS - 0.5):
        status, raw = await world.call("GET", "/v1/log/checkpoint?covers=2")
        assert status == 404 and b"not-yet" in raw
        status, raw = await world.call("GET", "/v1/log/checkpoint?covers=2&fresh=1")
        assert status == 404 and b"not-yet" in raw


async def test_a_later_checkpoint_continues_the_earlier_one(world: RelayWorld) -> None:
    agent, _ = await _session(world, 2)
    first = await _checkpoint(world, covers=2)
    for _ in range(5):
        await agent.append(agent.record("RA1209E", sizes={"count": 1}))
    second = await _checkpoint(world, covers=7)
    status, raw = await world.call("GET", f"/v1/log/consistency?from={first.size}&to={second.size}")
    assert status == 200
    check_consistency(first.head, second.head, decode(raw, ConsistencyAnswer).hashes, where="log")


async def test_the_tiles_and_entries_make_the_signed_root(world: RelayWorld) -> None:
    await _session(world, 9)
    checkpoint = await _checkpoint(world, covers=9)
    status, tile = await world.call("GET", "/v1/log/tile/0/000.p/10")
    assert status == 200
    frontier = Frontier()
    for at in range(0, 320, 32):
        frontier.add(tile[at : at + 32])
    assert frontier.head == checkpoint.head
    reviewer = await world.login(world.person("Rita Example", "reviewer"), "reviewer")
    status, bundle = await world.call("GET", "/v1/log/tile/entries/000.p/10", token=reviewer.token)
    assert status == 200
    entries = [bundle[at + 2 : at + 61] for at in range(0, len(bundle), 61)]
    assert all(bundle[at : at + 2] == b"\0\x3b" for at in range(0, len(bundle), 61))
    assert b"".join(map(leaf_of, entries)) == tile


@pytest.mark.parametrize(
    "path",
    [
        "/v1/log/tile/0/000",
        "/v1/log/tile/0/000.p/5",
        "/v1/log/tile/0/001.p/1",
        "/v1/log/tile/1/000.p/1",
        "/v1/log/tile/64/000.p/1",
        "/v1/log/tile/00/000.p/1",
        "/v1/log/tile/0/x000/000.p/1",
        "/v1/log/tile/0/00.p/1",
        "/v1/log/tile/0/000.p/0",
        "/v1/log/tile/0/000.p/256",
        "/v1/log/tile/entries/000.p/1/2",
        "/v1/log/checkpoint.p/1",
    ],
)
async def test_what_is_no_tile_of_the_signed_log_is_absent(world: RelayWorld, path: str) -> None:
    await _session(world, 3)
    await _checkpoint(world, covers=3)
    status, _ = await world.call("GET", path)
    assert status == 404


def test_a_tiles_path_is_read_as_c2sp_writes_it() -> None:
    assert tile_place("0/x001/x234/067", entries=False) == (0, 1234067, 256)
    assert tile_place("3/067.p/8", entries=False) == (3, 67, 8)
    assert tile_place("x001/x234/067.p/255", entries=True) == (0, 1234067, 255)
    with pytest.raises(RefusedError):
        tile_place("entries/000", entries=False)


@pytest.mark.parametrize(
    "query", ["covers=-1", "covers=x", "covers=1&covers=2", "other=1", "covers=1234567890123456", "covers=٣"]
)
async def test_a_query_that_is_no_number_is_refused(world: RelayWorld, query: str) -> None:
    assert (await world.call("GET", f"/v1/log/checkpoint?{query}"))[0] == 400


@pytest.mark.parametrize("query", ["from=2&to=1", "from=0&to=99", "to=1&from=x"])
async def test_sizes_the_log_never_had_have_no_proof(world: RelayWorld, query: str) -> None:
    assert (await world.call("GET", f"/v1/log/consistency?{query}"))[0] == 400


async def test_entries_say_when_so_only_reviewers_and_operators_read_them(world: RelayWorld) -> None:
    _, token = await _session(world, 0)
    assert (await world.call("GET", "/v1/log/tile/entries/000.p/1"))[0] == 401
    assert (await world.call("GET", "/v1/log/tile/entries/000.p/1", token=token))[0] == 403


async def test_an_agent_is_given_checkpoint_and_proofs_on_its_own_line(world: RelayWorld) -> None:
    agent, _ = await _session(world, 3)
    await agent.send(AskCheckpoint(since=0, index=3))
    given = understood(await agent.link.recv(), ToAgent)
    assert isinstance(given, CheckpointGiven)
    first = open_checkpoint(given.checkpoint, [world.organisation.log_key])
    assert (first.size, given.consistency) == (4, ())
    await agent.append(agent.record("RA1209E", sizes={"count": 1}))
    await agent.send(AskCheckpoint(since=4, index=4))
    later = understood(await agent.link.recv(), ToAgent)
    assert isinstance(later, CheckpointGiven)
    second = open_checkpoint(later.checkpoint, [world.organisation.log_key])
    check_consistency(first.head, second.head, later.consistency, where="log")
    await agent.send(AskProofs(start=1, size=second.size))
    proofs = understood(await agent.link.recv(), ToAgent)
    assert isinstance(proofs, ProofsGiven)
    assert len(proofs.proofs) == 4
    await agent.send(AskProofs(start=0, size=99))
    nothing = understood(await agent.link.recv(), ToAgent)
    assert isinstance(nothing, ProofsGiven)
    assert nothing.proofs == ()


async def test_a_restarted_relay_goes_on_from_its_checkpoint(world: RelayWorld) -> None:
    await _session(world, 3)
    before = await _checkpoint(world, covers=3)
    await world.relay.stop()
    await world.start()
    assert (await _checkpoint(world)).note == before.note
    await _session(world, 1)
    assert (await _checkpoint(world, covers=5)).size == 6


async def _rolled_back(world: RelayWorld) -> tuple[Path, Checkpoint]:
    """The relay stopped, its database put back to a copy made before the last records."""
    data = world.organisation.data
    await _session(world, 1)
    await _checkpoint(world, covers=1)
    await world.relay.stop()
    world.keep_copy()
    await world.start()
    await _session(world, 2)
    last = await _checkpoint(world, covers=4)
    await world.relay.stop()
    world.put_back_copy()
    return data, last


async def test_a_relay_put_back_to_an_older_copy_does_not_serve(world: RelayWorld) -> None:
    data, last = await _rolled_back(world)
    with pytest.raises(VerificationError, match="signed for 5 records, and the database holds 2"):
        await world.start()
    assert (data / CHECKPOINT).read_text() == last.note


async def test_an_operator_who_accepts_a_rollback_signs_for_it(world: RelayWorld) -> None:
    data, last = await _rolled_back(world)
    await world.start(accept_rollback=True)
    assert (await _checkpoint(world)).size == 4
    assert world.sql('SELECT code FROM records WHERE "index" > 1 ORDER BY "index"') == [("RA2000E",), ("RA2021E",)]
    (note,) = data.glob("rollback-*.note")
    _, _, promised, found = open_rollback(note.read_text(), [world.organisation.log_key])
    assert promised.startswith("promised 5 ")
    assert found.startswith("found 2 ")
    await world.relay.stop()
    with pytest.raises(UsageError, match="no rollback"):
        await world.start(accept_rollback=True)
    await world.start()
    status, _ = await world.call("GET", f"/v1/log/consistency?from={last.size}&to={last.size}")
    assert status == 400


async def test_a_record_changed_in_the_database_stops_the_relay(world: RelayWorld) -> None:
    await _session(world, 3)
    await _checkpoint(world, covers=3)
    await world.relay.stop()
    world.sql("UPDATE records SET time = replace(time, '20', '19') WHERE \"index\" = 1")
    with pytest.raises(VerificationError, match="not those it signed for"):
        await world.start()
    await world.start(accept_rollback=True)


async def test_a_checkpoint_somebody_wrote_over_stops_the_relay(world: RelayWorld) -> None:
    await world.relay.stop()
    (world.organisation.data / CHECKPOINT).write_text("nonsense")
    with pytest.raises(ContentError, match="not what this relay wrote"):
        await world.start()
    (world.organisation.data / CHECKPOINT).unlink()
    await world.start()


async def test_at_most_one_checkpoint_is_signed_an_interval(tmp_path: Path) -> None:
    async with RelayWorld(tmp_path, checkpoint_interval_seconds=3600.0) as world:
        agent, _ = await _session(world, 0)
        assert (await _checkpoint(world, covers=0)).size == 1
        await agent.append(agent.record("RA1209E", sizes={"count": 1}))
        await asyncio.sleep(0.2)
        assert (await _checkpoint(world)).size == 1


@dataclass
class Signing:
    """What signs checkpoints, without the relay around it."""

    data: Path
    keys: LogKeys
    store: Store
    checkpoints: Checkpoints
    own: Chains

    async def write(self) -> None:
        await self.own.write(RecordDraft(code="RA2031E", actor=Actor(kind="relay"), about="a key"))


@pytest.fixture
async def signing(tmp_path: Path) -> AsyncIterator[Signing]:
    organisation = Organisation(tmp_path, TurnableClock())
    organisation.found()
    data, clock = organisation.data, organisation.clock
    keys, store = LogKeys(data), Store(open_database(data, ""), min_free_bytes=0)
    checkpoints = Checkpoints(store, keys, data, clock=clock, interval_seconds=1)
    trust, ledger = TrustFolder(data, keys.current, clock=clock), Ledger(keys, clock=clock)
    yield Signing(data, keys, store, checkpoints, Chains(store, ledger, checkpoints, trust, keys, clock=clock))
    await store.close()


async def test_of_two_who_sign_at_once_the_one_who_saw_less_does_not_publish_last(
    signing: Signing, monkeypatch: pytest.MonkeyPatch
) -> None:
    writing, go_on = threading.Event(), threading.Event()

    def replace_slowly_at_first(path: Path, raw: bytes) -> None:
        if not writing.is_set():
            writing.set()
            assert go_on.wait(10)
        replace_file(path, raw)

    monkeypatch.setattr(checkpoints_module, "replace_file", replace_slowly_at_first)
    await signing.write()
    early = asyncio.create_task(signing.checkpoints.sign())
    assert await asyncio.to_thread(writing.wait, 10)
    await signing.write()
    late = asyncio.create_task(signing.checkpoints.sign())
    await asyncio.wait([late], timeout=0.3)  # unguarded it would be through by now
    go_on.set()
    await asyncio.gather(early, late)
    on_disk = open_checkpoint((signing.data / CHECKPOINT).read_text(), signing.keys.lines)
    assert signing.checkpoints.current.size == on_disk.size == 3  # the chain's opening, and the two


@pytest.mark.parametrize("turns", range(6))
async def test_the_worker_stops_though_the_log_grew_in_the_same_moment(signing: Signing, turns: int) -> None:
    among_others = Checkpoints(
        signing.store, signing.keys, signing.data, clock=lambda: datetime.now(UTC), interval_seconds=0.01, several=True
    )
    working = asyncio.create_task(among_others.work())
    await asyncio.sleep(0.05)
    among_others.notice()
    for _ in range(turns):
        await asyncio.sleep(0)
    working.cancel()
    done, _ = await asyncio.wait([working], timeout=2)
    assert done and working.cancelled()


async def test_a_checkpoint_of_before_a_rotation_is_signed_anew_for_a_session_of_after(signing: Signing) -> None:
    keys, before = signing.keys, signing.checkpoints.current
    keys.follow(prepare_next(signing.data, secrets.token_bytes), before.head, datetime.now(UTC))
    keys.opened("s-after", keys.current)
    keys.opened("s-before", keys.elders[0])

    async def shown(session: str) -> Checkpoint:
        return await signing.store.read(lambda connection: signing.checkpoints.signed_for(connection, session, before))

    assert await shown("s-before") is before
    after = await shown("s-after")
    assert after.origin == log_origin(keys.line) != before.origin and after.head == before.head


def _grow(path: Path, sizes: list[int]) -> None:
    """A log that grows to each of `sizes`; after each the relay starts anew."""
    engine = open_engine(str(path))
    migrate(engine)
    with engine.begin() as connection:
        connection.exec_driver_sql("PRAGMA foreign_keys=OFF")
        size = 0
        for wanted in sizes:
            tree = LogTree()
            for index in range(size, wanted):
                connection.exec_driver_sql(
                    "INSERT INTO records VALUES (?, 's', ?, ?, 'c', '', x'', '', ?, '')",
                    (index, index, f"{index:064x}", _time(index)),
                )
                tree.add(connection, index, leaf_hash(_time(index), f"{index:064x}"))
            size = wanted
            reader, frontier = TreeReader(connection), Frontier()
            for index in range(size):
                frontier.add(leaf_of(log_entry(_time(index), f"{index:064x}")))
            assert reader.head() == frontier.head
    engine.dispose()


def _time(index: int) -> str:
    return f"2026-03-01T09:30:{index // 1_000_000:02d}.{index % 1_000_000:06d}Z"


def test_the_stored_tree_is_the_tree_of_its_records_at_every_restart(tmp_path: Path) -> None:
    _grow(tmp_path / "relay.db", [1, 255, 256, 257, 600, 1025])


def test_tiles_made_later_are_the_tiles_made_at_once(tmp_path: Path) -> None:
    """A database of the version that had no tiles, and one that lost them in the middle."""
    path = tmp_path / "relay.db"
    _grow(path, [3 * WIDTH + 7])
    engine = open_engine(str(path))
    with engine.begin() as connection:
        head = TreeReader(connection).head()
        kept = connection.exec_driver_sql("SELECT * FROM tiles ORDER BY level, number").all()
        connection.exec_driver_sql("DELETE FROM tiles")
        assert LogTree().catch_up(connection) == 3 * WIDTH + 7
        assert connection.exec_driver_sql("SELECT * FROM tiles ORDER BY level, number").all() == kept
        assert TreeReader(connection).head() == head
        reader = TreeReader(connection)
        for index in (0, 255, 256, 600, 774):
            entry = leaf_hash(_time(index), f"{index:064x}")
            check_inclusion(entry, index, head.size, reader.inclusion(index, head.size), head.root, where="leaf")
        for old in (1, 256, 300, 512, 774):
            check_consistency(reader.head(old), head, reader.consistency(old, head.size), where="log")
        assert reader.tile(1, 0, 3) == b"".join(row.root for row in kept)
        assert reader.tile(1, 0, 4) is None
    engine.dispose()


def test_a_hole_in_the_log_is_found(tmp_path: Path) -> None:
    path = tmp_path / "relay.db"
    _grow(path, [300])
    engine = open_engine(str(path))
    with engine.begin() as connection:
        connection.exec_driver_sql('DELETE FROM records WHERE "index" = 270')
        with pytest.raises(ContentError, match="hole"):
            LogTree().catch_up(connection)
    engine.dispose()
