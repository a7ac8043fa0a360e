"""The recorder: what counts as acknowledged, what is offered again, and when nothing may start any more."""

import asyncio
import secrets
from pathlib import Path

import msgspec
import pytest

from remote_assist.agent.record.recorder import Recorder
from remote_assist.core.log.sealing import open_sealed
from remote_assist.core.messages import Acknowledgement, AppendRefused
from remote_assist.core.records import RecordDraft, decode_record
from remote_assist.core.signing.keys import new_key
from remote_assist.errors import AuditUnavailable, VerificationError
from tests.audit.world import CUSTOMER, LOG_LINE, Log, World, new_world


class Bench:
    """A recorder over a real journal, with the relay's log played by hand."""

    def __init__(self, folder: Path) -> None:
        self.world: World = new_world(folder)
        self.log = self.world.log
        self.recorder = Recorder(
            self.world.journal,
            session=self.world.session,
            log_keys=[LOG_LINE],
            content_key=self.world.content_key,
            wraps=[],
            entropy=secrets.token_bytes,
            deadline_seconds=0.2,
        )

    async def open(self) -> None:
        await self.recorder.append(RecordDraft(code="RA1000E", actor=self.world.technician, opening=self.world.opening))
        self.recorder.joined(0)
        await self.deliver()

    async def deliver(self, log: Log | None = None) -> list[Acknowledgement]:
        """Take the next batch and acknowledge it."""
        batch = await self.recorder.next_batch()
        given = [(log or self.log).acknowledge(stored) for stored in batch.records]
        await self.recorder.receive(given)
        return given


@pytest.fixture
async def bench(tmp_path: Path) -> Bench:
    bench = Bench(tmp_path / "journal")
    await bench.open()
    return bench


INTENT = RecordDraft(code="RA1400I", actor=CUSTOMER, action="a1", program="true")


async def test_an_intent_counts_when_the_relay_has_signed_for_it(bench: Bench) -> None:
    waiting = asyncio.create_task(bench.recorder.intent(INTENT))
    (given,) = await bench.deliver()
    assert await waiting == given
    assert await bench.recorder.settle(0) == 0


async def test_a_relay_that_joins_while_a_record_reaches_the_disk_is_offered_that_record_first(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "journal")
    opening = RecordDraft(code="RA1000E", actor=bench.world.technician, opening=bench.world.opening)
    writing = asyncio.create_task(bench.recorder.append(opening))
    while bench.world.journal.head[0] < 0:
        await asyncio.sleep(0)
    assert not writing.done()
    bench.recorder.joined(0)
    await bench.recorder.append(RecordDraft(code="RA1002E", actor=CUSTOMER))
    batch = await asyncio.wait_for(bench.recorder.next_batch(), 5)
    assert [decode_record(stored.record).seq for stored in batch.records] == [0, 1]


async def test_a_late_acknowledgement_is_none(bench: Bench) -> None:
    with pytest.raises(AuditUnavailable, match=r"within 0\.2 s") as refused:
        await bench.recorder.intent(INTENT)
    assert refused.value.reason == "unacknowledged"
    await bench.deliver()
    assert bench.recorder.undelivered == 0


async def test_an_acknowledgement_by_another_key_is_a_forgery_and_nothing_starts_any_more(bench: Bench) -> None:
    waiting = asyncio.create_task(bench.recorder.intent(INTENT))
    with pytest.raises(VerificationError):
        await bench.deliver(Log(new_key(bytes(32)), first_index=90))
    with pytest.raises(AuditUnavailable):
        await waiting
    with pytest.raises(AuditUnavailable, match="log key"):
        await bench.recorder.intent(INTENT)


@pytest.mark.parametrize("change", [{"hash": "0" * 64}, {"session": "s-bbbbbbbbbbbbbbbb"}], ids=["hash", "session"])
async def test_an_acknowledgement_of_another_record_counts_for_nothing(bench: Bench, change: dict[str, str]) -> None:
    waiting = asyncio.create_task(bench.recorder.intent(INTENT))
    batch = await bench.recorder.next_batch()
    honest = bench.log.acknowledge(batch.records[0])
    changed = msgspec.structs.replace(honest, **change)
    forged = bench.log.sign(changed.session, changed.seq, changed.hash, changed.time, changed.index)
    with pytest.raises(VerificationError):
        await bench.recorder.receive([forged])
    with pytest.raises(AuditUnavailable):
        await waiting


async def test_acknowledgements_of_records_never_written_are_ignored(bench: Bench) -> None:
    stray = bench.log.sign(bench.world.session, 99, "0" * 64, "2026-03-01T09:30:00.000000Z", 500)
    await bench.recorder.receive([stray])
    assert bench.recorder.distrust == ""


async def test_a_relay_without_room_refuses_the_intent_and_gets_the_record_later(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("remote_assist.agent.record.recorder.RETRY_SECONDS", 0.01)
    waiting = asyncio.create_task(bench.recorder.intent(INTENT))
    await bench.recorder.next_batch()
    bench.recorder.refused(AppendRefused(session=bench.world.session, seq=1, reason="store-full", sentence="full"))
    with pytest.raises(AuditUnavailable) as refused:
        await waiting
    assert refused.value.reason == "store-full"
    assert len(await bench.deliver()) == 1
    assert bench.recorder.distrust == ""


async def test_a_relay_whose_chain_differs_is_not_worked_with(bench: Bench) -> None:
    waiting = asyncio.create_task(bench.recorder.intent(INTENT))
    await bench.recorder.next_batch()
    bench.recorder.refused(AppendRefused(session=bench.world.session, seq=1, reason="fork", sentence="another record"))
    with pytest.raises(AuditUnavailable):
        await waiting
    assert "fork" in bench.recorder.distrust


async def test_a_relay_that_forgot_what_it_promised_is_not_worked_with(bench: Bench) -> None:
    bench.recorder.joined(0)
    assert "has acknowledged 1" in bench.recorder.distrust


async def test_after_a_cut_everything_unacknowledged_is_offered_again_in_order(bench: Bench) -> None:
    for number in range(3):
        await bench.recorder.append(RecordDraft(code="RA1900R", actor=CUSTOMER, program=f"p{number}"))
    await bench.recorder.next_batch()
    bench.recorder.joined(1)
    batch = await bench.recorder.next_batch()
    assert [decode_record(stored.record).seq for stored in batch.records] == [1, 2, 3]


async def test_many_records_go_out_in_batches_of_at_most_64(bench: Bench) -> None:
    for _ in range(70):
        await bench.recorder.append(RecordDraft(code="RA1900R", actor=CUSTOMER))
    assert [len((await bench.recorder.next_batch()).records) for _ in range(2)] == [64, 6]


async def test_side_by_side_intents_are_sent_in_the_order_of_their_places(bench: Bench) -> None:
    waiting = [asyncio.create_task(bench.recorder.intent(INTENT)) for _ in range(10)]
    sent: list[int] = []
    while len(sent) < 10:
        sent += [given.seq for given in await bench.deliver()]
    assert sent == list(range(1, 11))
    assert [(await one).seq for one in waiting] == sent


async def test_what_is_sealed_opens_for_reviewers_only_and_is_nowhere_in_clear(bench: Bench, tmp_path: Path) -> None:
    await bench.recorder.append(INTENT, {"argv": b'["mysql","-psecret-word"]'})
    batch = await bench.recorder.next_batch()
    record = decode_record(batch.records[0].record)
    opened = open_sealed(bench.world.content_key, record.sealed["argv"], session=record.session, name="argv")
    assert opened == b'["mysql","-psecret-word"]'
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and b"secret-word" in path.read_bytes()]


async def test_a_waiting_intent_that_is_cancelled_leaves_nothing_behind(bench: Bench) -> None:
    waiting = asyncio.create_task(bench.recorder.intent(INTENT))
    await bench.recorder.next_batch()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert bench.recorder.undelivered == 1
