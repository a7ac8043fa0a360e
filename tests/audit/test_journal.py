"""The journal: durable before anything happens, nothing half-written, one chain whatever goes wrong."""

import asyncio
import errno
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from msgspec.structs import replace

from remote_assist.audit.durable_file import Disk
from remote_assist.audit.journal import RESERVE_BYTES, Journal
from remote_assist.audit.journal_files import read_journal
from remote_assist.audit.verify import verify_session
from remote_assist.core.records import Outcome, RecordDraft, decode_record, record_hash
from remote_assist.core.signing.keys import load_private, public_line
from remote_assist.errors import AuditUnavailable, LocalProtocolError, UsageError, VerificationError
from tests.audit.world import CUSTOMER, LOG_LINE, Clock, Log, World, new_world, play


class CountingDisk(Disk):
    """A disk that counts, and fails the calls it is told to."""

    def __init__(self) -> None:
        self.writes = 0
        self.syncs = 0
        self.fail_sync: set[int] = set()
        self.fail_write: set[int] = set()
        self.piece = 1 << 30

    def write(self, descriptor: int, raw: bytes) -> int:
        self.writes += 1
        if self.writes in self.fail_write:
            super().write(descriptor, raw[: len(raw) // 2])  # half of it arrives, then the disk gives up
            raise OSError(errno.EIO, "Input/output error")
        return super().write(descriptor, raw[: self.piece])

    def sync(self, descriptor: int) -> None:
        self.syncs += 1
        if self.syncs in self.fail_sync:
            raise OSError(errno.EIO, "Input/output error")
        super().sync(descriptor)


class SmallDisk(Disk):
    """A disk that holds `capacity` bytes of one folder's files and no more."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.capacity = 1 << 30

    def fill(self) -> None:
        """From now on nothing more fits."""
        self.capacity = self._used()

    def write(self, descriptor: int, raw: bytes) -> int:
        room = self.capacity - self._used()
        if room <= 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().write(descriptor, raw[:room])

    def _used(self) -> int:
        return sum(path.stat().st_size for path in self._folder.iterdir())


async def opened(folder: Path, disk: Disk | None = None) -> World:
    world = new_world(folder, disk=disk)
    await world.append("RA1000E", opening=world.opening)
    return world


def seqs(folder: Path) -> list[int]:
    return [decode_record(stored.record).seq for stored in read_journal(folder).records]


async def test_an_append_is_in_the_file_when_it_returns_and_needs_no_relay(tmp_path: Path) -> None:
    world = await opened(tmp_path / "j")
    seq, stored = await world.journal.append(_draft("RA1003E"))
    assert seq == 1
    assert read_journal(tmp_path / "j").records[1] == stored
    assert world.journal.head == (1, record_hash(stored.record))
    assert [decode_record(one.record).seq for one in world.journal.unacknowledged()] == [0, 1]


def _draft(code: str, **fields: object) -> RecordDraft:
    return RecordDraft(code=code, actor=CUSTOMER, **fields)  # type: ignore[arg-type]


async def test_an_append_costs_one_sync(tmp_path: Path) -> None:
    disk = CountingDisk()
    world = await opened(tmp_path / "j", disk)
    before = disk.syncs
    await world.append("RA1400I", action="a1")
    assert disk.syncs == before + 1


async def test_only_the_owner_can_read_a_journal(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        world = await opened(tmp_path / "j")
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "j").stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in world.journal.folder.iterdir()} == {0o600}


async def test_many_appends_at_once_make_one_chain(tmp_path: Path) -> None:
    world = await opened(tmp_path / "j")
    answers = await asyncio.gather(*(world.append("RA1400I", action=f"a{n}") for n in range(40)))
    await world.acknowledge_all()
    assert len({one.record for one in answers}) == 40
    assert verify_session(world.logged(), log_keys=[LOG_LINE], ca_line=None, strict=True).records == 41


async def test_a_caller_who_stops_waiting_does_not_break_the_chain(tmp_path: Path) -> None:
    world = await opened(tmp_path / "j")
    for number in range(20):
        task = asyncio.create_task(world.append("RA1400I", action=f"a{number}"))
        for _ in range(number % 5):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await world.append("RA1901E", action=f"a{number}")
    await world.acknowledge_all()
    assert verify_session(world.logged(), log_keys=[LOG_LINE], ca_line=None).records == world.journal.head[0] + 1


@pytest.mark.parametrize("fault", ["write", "sync"])
async def test_after_a_disk_error_nothing_of_the_record_is_left_and_the_sync_is_not_repeated(
    tmp_path: Path, fault: str
) -> None:
    disk = CountingDisk()
    world = await opened(tmp_path / "j", disk)
    size = (tmp_path / "j" / "records.jsonl").stat().st_size
    failing = disk.fail_write if fault == "write" else disk.fail_sync
    failing.add((disk.writes if fault == "write" else disk.syncs) + 1)
    with pytest.raises(AuditUnavailable, match="nothing was done"):
        await world.append("RA1400I", action="a1")
    assert (tmp_path / "j" / "records.jsonl").stat().st_size == size
    assert world.journal.head[0] == 0
    await world.append("RA1400I", action="a2")
    assert seqs(tmp_path / "j") == [0, 1]


async def test_a_disk_that_stays_broken_refuses_everything(tmp_path: Path) -> None:
    disk = CountingDisk()
    world = await opened(tmp_path / "j", disk)
    disk.fail_sync = set(range(1000))
    for _ in range(3):
        with pytest.raises(AuditUnavailable):
            await world.append("RA1400I", action="a1")
    assert world.journal.head[0] == 0
    disk.fail_sync = set()
    await world.append("RA1400I", action="a1")
    assert seqs(tmp_path / "j") == [0, 1]


async def test_short_writes_are_finished(tmp_path: Path) -> None:
    disk = CountingDisk()
    disk.piece = 7
    await play(new_world(tmp_path / "j", disk=disk))
    assert seqs(tmp_path / "j") == list(range(10))


async def test_a_full_disk_refuses_intents_but_what_concludes_still_fits(tmp_path: Path) -> None:
    disk = SmallDisk(tmp_path / "j")
    world = await opened(tmp_path / "j", disk)
    await world.append("RA1400I", action="a1")
    disk.fill()
    with pytest.raises(AuditUnavailable) as caught:
        await world.append("RA1400I", action="a2")
    assert caught.value.reason == "store-full" and "disk space" in caught.value.advice
    with pytest.raises(AuditUnavailable):
        await world.append("RA1900R")  # refusals are free to ask for, so they may not eat the reserve
    await world.append("RA1400O", action="a1", outcome=Outcome(status="done"))
    await world.append("RA1003E")
    await world.append("RA1990E", outcome=Outcome(status="ended", reason="store-full"))
    await world.acknowledge_all()
    assert verify_session(world.logged(), log_keys=[LOG_LINE], ca_line=None).state == "ended"


async def test_no_intent_eats_what_an_outcome_left_of_the_reserve(tmp_path: Path) -> None:
    disk, reserve = SmallDisk(tmp_path / "j"), tmp_path / "j" / "reserve"
    world = await opened(tmp_path / "j", disk)
    await world.append("RA1400I", action="a1")
    disk.fill()
    await world.append("RA1400O", action="a1", outcome=Outcome(status="done"))
    left = reserve.stat().st_size
    assert left < RESERVE_BYTES
    for code in ("RA1400I", "RA1900R"):
        with pytest.raises(AuditUnavailable, match="no room is left"):
            await world.append(code, action="a2")
    assert reserve.stat().st_size == left
    disk.capacity = 1 << 30
    await world.append("RA1400I", action="a2")
    assert reserve.stat().st_size == RESERVE_BYTES
    await world.append("RA1400O", action="a2", outcome=Outcome(status="done"))


async def test_outcomes_leave_enough_of_the_reserve_for_the_end(tmp_path: Path) -> None:
    disk = SmallDisk(tmp_path / "j")
    world = await opened(tmp_path / "j", disk)
    disk.fill()
    with pytest.raises(AuditUnavailable):
        for _ in range(1000):
            await world.append("RA1400O", action="a1", outcome=Outcome(status="done"))
    await world.append("RA1990E", outcome=Outcome(status="ended"))
    assert world.journal.ended


@pytest.mark.skipif(sys.platform == "win32", reason="needs a file size limit")
def test_a_real_limit_of_the_system_leaves_a_whole_journal(tmp_path: Path) -> None:
    program = """
import asyncio, resource, sys
from pathlib import Path
from remote_assist.errors import AuditUnavailable
from tests.audit.world import new_world
async def main():
    world = new_world(Path(sys.argv[1]))
    await world.append("RA1000E", opening=world.opening)
    resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, resource.RLIM_INFINITY))
    count = 1
    try:
        while count < 1000:
            await world.append("RA1400I", action=f"a{count}", program="x" * 200)
            count += 1
    except AuditUnavailable as error:
        print(count, error.reason)
asyncio.run(main())
"""
    ran = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "j")],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        cwd=Path(__file__).parent.parent.parent,
    )
    count, reason = ran.stdout.split()
    assert reason == "store-full"
    content = read_journal(tmp_path / "j")
    assert len(content.records) == int(count) and content.torn == ""


async def test_somebody_else_writing_to_the_journal_stops_it(tmp_path: Path) -> None:
    world = await opened(tmp_path / "j")
    with (tmp_path / "j" / "records.jsonl").open("ab") as file:
        file.write(b"{}\n")
    with pytest.raises(AuditUnavailable):
        await world.append("RA1400I", action="a1")


async def test_a_journal_is_never_begun_over_another(tmp_path: Path) -> None:
    await opened(tmp_path / "j")
    with pytest.raises(AuditUnavailable):
        new_world(tmp_path / "j")


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
async def test_links_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "j").mkdir(mode=0o700)
    (tmp_path / "j" / "records.jsonl").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(AuditUnavailable):
        new_world(tmp_path / "j")
    assert not (tmp_path / "elsewhere").exists()


# --- the next start -------------------------------------------------------------------------------


async def test_a_torn_last_line_is_reported_kept_aside_and_not_counted(tmp_path: Path) -> None:
    world = await opened(tmp_path / "j")
    await world.append("RA1400I", action="a1")
    await world.journal.close()
    path = tmp_path / "j" / "records.jsonl"
    whole = path.read_bytes()
    for cut in (1, 100, len(whole.splitlines()[1]) // 2):
        path.write_bytes(whole[:-cut])
        journal = Journal.reopen(tmp_path / "j", clock=Clock())
        assert journal.head[0] == 0
        assert "records.jsonl was cut short" in journal.torn
        await journal.close()
        assert path.read_bytes() == whole.splitlines(keepends=True)[0]
        for kept in (tmp_path / "j").glob("torn-*"):
            assert whole.endswith(kept.read_bytes()[-1:] + whole[-cut:])
            kept.unlink()


async def test_a_journal_cut_between_lines_reopens_without_a_word(tmp_path: Path) -> None:
    world = await opened(tmp_path / "j")
    await world.journal.close()
    journal = Journal.reopen(tmp_path / "j", clock=Clock())
    assert (journal.torn, journal.head[0]) == ("", 0)
    await journal.close()


async def test_an_edited_tail_is_never_accepted(tmp_path: Path) -> None:
    world = await opened(tmp_path / "j")
    await world.append("RA1400I", action="a1")
    await world.journal.close()
    path = tmp_path / "j" / "records.jsonl"
    raw = bytearray(path.read_bytes())
    start = raw.index(b"\n") + 1
    for position in range(start, len(raw) - 1, 7):
        changed = bytes(raw[:position]) + bytes([raw[position] ^ 1]) + bytes(raw[position + 1 :])
        path.write_bytes(changed)
        with pytest.raises(VerificationError):
            Journal.reopen(tmp_path / "j", clock=Clock())


async def test_the_journal_key_signs_only_what_closes(tmp_path: Path) -> None:
    world = await opened(tmp_path / "j")
    await world.append("RA1301I", action="a1", catalog="fix@1")
    await world.acknowledge_all()
    await world.journal.close()
    journal = Journal.reopen(tmp_path / "j", clock=Clock())
    journal.open_for([LOG_LINE])
    with pytest.raises(LocalProtocolError, match="may not sign RA1400I"):
        await journal.append(_draft("RA1400I"))
    await journal.append(_draft("RA1302E", action="a1", outcome=Outcome(status="rolled-back")))
    await journal.append(_draft("RA1990E", outcome=Outcome(status="ended", reason="agent-stopped")))
    world.journal = journal
    await world.acknowledge_all()
    report = verify_session(world.logged(), log_keys=[LOG_LINE], ca_line=None)
    assert (report.state, report.incomplete) == ("ended", ())
    await journal.close()
    assert {path.name for path in (tmp_path / "j").iterdir()} == {"records.jsonl", "acknowledgements.jsonl"}


async def test_an_ended_journal_still_takes_acknowledgements_later(tmp_path: Path) -> None:
    world = await opened(tmp_path / "j")
    await world.append("RA1990E", outcome=Outcome(status="ended"))
    await world.journal.close()
    journal = Journal.reopen(tmp_path / "j", clock=Clock())
    journal.open_for([LOG_LINE])
    assert len(journal.unacknowledged()) == 2
    for stored in journal.unacknowledged():
        await journal.acknowledge(world.log.acknowledge(stored))
    assert journal.unacknowledged() == []
    with pytest.raises(LocalProtocolError, match="has ended"):
        await journal.append(_draft("RA1003E"))


def test_where_there_is_no_journal_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no journal"):
        Journal.reopen(tmp_path, clock=Clock())


# --- what it refuses to write ---------------------------------------------------------------------


async def test_an_opening_that_names_other_keys_is_our_own_fault(tmp_path: Path) -> None:
    world = new_world(tmp_path / "j")
    wrong = replace(world.opening, host_key=LOG_LINE)
    with pytest.raises(LocalProtocolError, match="other keys"):
        await world.append("RA1000E", opening=wrong)


async def test_nothing_follows_the_end_and_nothing_follows_close(tmp_path: Path) -> None:
    world = await opened(tmp_path / "j")
    await world.journal.close()
    await world.journal.close()
    with pytest.raises(LocalProtocolError, match="closed"):
        await world.append("RA1003E")


# --- acknowledgements -----------------------------------------------------------------------------


async def test_the_same_acknowledgement_twice_is_harmless(tmp_path: Path) -> None:
    world = await opened(tmp_path / "j")
    said = world.log.acknowledge(world.journal.unacknowledged()[0])
    await world.journal.acknowledge(said)
    await world.journal.acknowledge(said)
    assert list(read_journal(tmp_path / "j").acknowledgements) == [0]
    assert len((tmp_path / "j" / "acknowledgements.jsonl").read_bytes().splitlines()) == 1


async def test_acknowledgements_that_do_not_hold_are_refused(tmp_path: Path) -> None:
    world = await opened(tmp_path / "j")
    await world.append("RA1400I", action="a1")
    first, second = (world.log.acknowledge(one) for one in world.journal.unacknowledged())
    stranger = Log(key=world.host_key).acknowledge(world.journal.unacknowledged()[0])
    lies = [
        (stranger, "not signed by the relay's log key"),
        (replace(first, hash=second.hash), "acknowledged another record"),
        (replace(first, seq=9), "not a record of this journal"),
        (replace(first, session="s-" + "b" * 16), "not a record of this journal"),
        (replace(first, index=99), "not signed"),
    ]
    for lie, words in lies:
        with pytest.raises(VerificationError, match=words):
            await world.journal.acknowledge(lie)
    assert len(world.journal.unacknowledged()) == 2
    await world.journal.acknowledge(first)
    await world.journal.acknowledge(second)
    assert world.journal.unacknowledged() == []


async def test_a_relay_cannot_say_two_things(tmp_path: Path) -> None:
    world = await opened(tmp_path / "j")
    stored = await world.append("RA1400I", action="a1")
    await world.acknowledge_all()
    with pytest.raises(VerificationError, match="twice, differently"):
        await world.journal.acknowledge(world.log.acknowledge(stored))
    third = await world.append("RA1400O", action="a1", outcome=Outcome(status="done"))
    backwards = Log(first_index=3).acknowledge(third)
    with pytest.raises(VerificationError, match="index 4 does not rise"):
        await world.journal.acknowledge(backwards)


async def test_without_log_keys_no_acknowledgement_counts(tmp_path: Path) -> None:
    world = await opened(tmp_path / "j")
    world.journal.open_for([])
    with pytest.raises(VerificationError, match="no log key is vouched for"):
        await world.acknowledge_all()


async def test_records_come_back_with_what_the_relay_said(tmp_path: Path) -> None:
    world = await opened(tmp_path / "j")
    await world.acknowledge_all()
    await world.append("RA1400I", action="a1")
    found = list(world.journal.records())
    assert [acknowledgement is not None for _, acknowledgement in found] == [True, False]


async def test_the_reserve_is_really_on_the_disk(tmp_path: Path) -> None:
    await opened(tmp_path / "j")
    found = (tmp_path / "j" / "reserve").stat()
    assert found.st_size == RESERVE_BYTES and found.st_blocks * 512 >= RESERVE_BYTES


async def test_the_journal_key_is_the_one_the_opening_names(tmp_path: Path) -> None:
    world = await opened(tmp_path / "j")
    opening = decode_record(world.journal.unacknowledged()[0].record).opening
    assert opening is not None
    kept = load_private((tmp_path / "j" / "journal_key").read_bytes())
    assert opening.journal_key == world.journal.journal_key_line == public_line(kept)
    # The host key itself is never written down.
    assert not any(b"PRIVATE" in p.read_bytes() for p in (tmp_path / "j").iterdir() if p.name != "journal_key")


async def test_acknowledgements_of_what_was_written_still_fit_on_a_full_disk(tmp_path: Path) -> None:
    disk = SmallDisk(tmp_path / "j")
    world = await opened(tmp_path / "j", disk)
    await world.append("RA1400I", action="a1")
    disk.fill()
    await world.acknowledge_all()
    assert len(read_journal(tmp_path / "j").acknowledgements) == 2
    (tmp_path / "j" / "reserve").unlink()
    await world.append("RA1400O", action="a1", outcome=Outcome(status="done"))  # the freed room is there now
    disk.fill()
    with pytest.raises(AuditUnavailable, match="no room is left"):
        await world.acknowledge_all()
