"""F4, F5: each single system call of an append fails once (EIO, ENOSPC, EINTR, a short write) or is the last (SIGKILL).

Whatever happened: nothing was done or promised that is not in the record, what is there verifies or ends in one torn
line that is named, and nobody hangs. By strace, on the real files, of the agent's journal and of the relay's store.
"""

import collections
import re
import shutil
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from remote_assist.audit.journal import Journal
from remote_assist.audit.journal_files import read_journal
from remote_assist.core.records import decode_record
from remote_assist.errors import UsageError, VerificationError
from tests.audit.world import Clock
from tests.scenarios.world import find_program

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="strace is a Linux program")]

ROOT = Path(__file__).parent.parent.parent
HANG_SECONDS = 60
PROGRAMS = 4
FAULTS = ("error=EIO", "error=ENOSPC", "error=EINTR", "signal=SIGKILL")
SHORT_WRITE = "retval=7"
"""The call says that so few bytes were written, and wrote none: the file is not what the writer thinks."""

CALLS = frozenset(
    {"openat", "write", "pwrite64", "fsync", "fdatasync", "ftruncate", "lseek", "read", "pread64", "close", "rename"}
)
FILES = {
    "journal": ("journal/records.jsonl", "journal/acknowledgements.jsonl", "journal/reserve", "journal/journal_key"),
    "store": ("relay.db", "relay.db-wal", "relay.db-shm"),
}


def run(what: str, folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """The writer under strace, its files watched. Raises TimeoutExpired when it hangs."""
    watched = [word for name in FILES[what] for word in ("-P", str(folder / name))]
    command = [find_program("strace"), "-f", "-qq", "-o", str(folder.with_suffix(".trace")), *options, *watched]
    writer = [sys.executable, "-m", "tests.faults.record_writers", what, str(folder)]
    return subprocess.run([*command, *writer], capture_output=True, text=True, cwd=ROOT, timeout=HANG_SECONDS)


def calls_of(what: str, folder: Path) -> dict[str, int]:
    """How often each system call is made on the files when nothing fails."""
    folder.mkdir()
    done = run(what, folder)
    assert done.returncode == 0, done.stderr
    trace = folder.with_suffix(".trace").read_text()
    found = collections.Counter(re.findall(r"^\d+ +([a-z0-9_]+)\(", trace, re.MULTILINE))
    return {call: count for call, count in found.items() if call in CALLS}


def check_journal(folder: Path, said: list[str]) -> None:
    """Every act has its intent; the journal verifies, or its last line is torn and said to be."""
    acted = {f"a{line.split()[1]}" for line in said}
    try:
        content = read_journal(folder / "journal")
    except UsageError:
        assert not acted
        return
    records = [decode_record(stored.record) for stored in content.records]
    assert acted <= {record.action for record in records if record.code == "RA1400I"}
    if not records:
        return
    journal = Journal.reopen(folder / "journal", clock=Clock())  # raises VerificationError for anything but a torn end
    assert journal.torn == content.torn
    assert journal.head[0] == len(records) - 1


def check_store(folder: Path, said: list[str]) -> None:
    """What was told to be kept is kept, and the file is whole."""
    kept = {int(line.split()[1]) for line in said}
    path = folder / "relay.db"
    if not path.exists():
        assert not kept
        return
    connection = sqlite3.connect(path)
    try:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        if kept:
            assert kept <= {row[0] for row in connection.execute("SELECT id FROM tickets")}
    finally:
        connection.close()


CHECKS = {"journal": check_journal, "store": check_store}


def sweep(what: str, folder: Path, cases: list[tuple[str, str, int]]) -> None:
    """Try all cases, a few at once; every one that does not hold is told."""
    with ThreadPoolExecutor(PROGRAMS) as programs:
        told = list(programs.map(lambda case: try_case(what, folder, *case), cases))
    assert [fault for fault in told if fault] == []


def try_case(what: str, folder: Path, call: str, fault: str, number: int) -> str:
    """What did not hold when this call failed, or nothing."""
    place = folder / f"{call}-{fault.partition('=')[2]}-{number}"
    place.mkdir()
    case = f"{what}: {call} {number} with {fault}"
    try:
        done = run(what, place, "-e", f"trace={call}", "-e", f"inject={call}:{fault}:when={number}")
    except subprocess.TimeoutExpired:
        return f"{case}: it hangs"
    said = [line for line in done.stdout.splitlines() if line.startswith(("acted ", "kept "))]
    try:
        CHECKS[what](place, said)
    except (AssertionError, VerificationError, sqlite3.DatabaseError) as error:
        return f"{case}: {error}; it said {said} {done.stderr[-300:]}"
    shutil.rmtree(place)
    return (
        "" if done.returncode in {0, 1, 3, -9, 137} else f"{case}: ended with {done.returncode}: {done.stderr[-300:]}"
    )


@pytest.mark.parametrize("what", ["journal", "store"])
def test_the_calls_that_matter_fail_once(what: str, tmp_path: Path) -> None:
    counts = calls_of(what, tmp_path / "counted")
    write, short = ("write", SHORT_WRITE) if what == "journal" else ("pwrite64", "error=EIO")
    cases = [
        (write, "error=ENOSPC", counts[write]),
        (write, short, counts[write] - 1),
        ("fdatasync", "error=EIO", counts["fdatasync"] - 1),
        ("fdatasync", "signal=SIGKILL", counts["fdatasync"]),
    ]
    sweep(what, tmp_path, cases)


@pytest.mark.full
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("what", ["journal", "store"])
def test_f4_f5_every_system_call_fails_once_or_is_the_last(what: str, tmp_path: Path) -> None:
    counts = calls_of(what, tmp_path / "counted")
    assert {"openat", "fdatasync"} <= set(counts)
    cases = [
        (call, fault, number) for call, count in counts.items() for number in range(1, count + 1) for fault in FAULTS
    ]
    if what == "journal":  # SQLite believes a kernel that lies about what it wrote; our own file is read back
        cases += [("write", SHORT_WRITE, number) for number in range(1, counts["write"] + 1)]
    sweep(what, tmp_path, cases)
