"""Figures of a whole log: verified at once on one core, beside hashing the same bytes.

python -m bench.audit_whole [--records 200000] [--session 100]
"""

import argparse
import hashlib
import tempfile
import time
from pathlib import Path

from remote_assist.audit.export import ExportWriter, read_bare, read_trailer
from remote_assist.audit.whole_verify import WholeCheck
from remote_assist.core.api import LoggedRecord
from remote_assist.core.checkpoint import open_checkpoint, sign_checkpoint
from remote_assist.core.messages import Acknowledgement
from remote_assist.core.records import NO_RECORD, Outcome, Record, encode_record, head_bytes, leaf_hash, record_hash
from remote_assist.core.signing import sshsig
from remote_assist.core.signing.keys import public_line
from remote_assist.core.tree import Frontier
from tests.audit.world import AGENT, CA_LINE, LOG, LOG_LINE, RELAY, START, World, new_world, signed_lists

TIME = "2026-03-01T09:30:00.000000Z"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.audit_whole", description=__doc__)
    parser.add_argument("--records", type=int, default=200_000, help="records of the log (default 200,000)")
    parser.add_argument("--session", type=int, default=100, help="records of one session (default 100)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="remote-assist-bench-") as name:
        file = Path(name) / "export"
        write(file, Path(name), options.records, options.session)
        seconds = verify(file)
        print(f"export of {options.records:,} records  {file.stat().st_size / 1e6:.0f} MB")
        print(f"verified as a whole from the file  {options.records / seconds:10,.0f} records/s")
        print(f"  of it chain, tree, signatures    {options.records / memory(file):10,.0f} records/s")
        print(f"hashing each stored record alone   {options.records / hashing(file):10,.0f} records/s")
    return 0


def write(file: Path, folder: Path, records: int, per_session: int) -> None:
    """An export whose signatures hold where verifying the whole looks: at heads and at the checkpoint."""
    tree = Frontier()
    logged: list[LoggedRecord] = []
    for number in range(records // per_session):
        world = new_world(folder / str(number), name=str(number))
        logged += session(world, tree, per_session)
    writer = ExportWriter(sign_checkpoint(LOG, tree.head))
    with file.open("wb") as out:
        out.write(writer.header(origin=RELAY, lists=signed_lists(), now=START))
        out.writelines(writer.record(one) for one in logged)
        out.write(writer.trailer())


def session(world: World, tree: Frontier, count: int) -> list[LoggedRecord]:
    """One session's records, linked; the last head is signed, the others carry its text."""
    found, prev = [], NO_RECORD
    place_holder = sshsig.sign(LOG, "ack", b"x")
    for seq in range(count):
        code = "RA1000E" if seq == 0 else "RA1400O" if seq % 2 == 0 else "RA1400I"
        record = Record(
            session=world.session, seq=seq, prev=prev, time=TIME, code=code, actor=AGENT, action=f"a{seq // 2}",
            program="ls", scope="terminal", grant="g1", outcome=Outcome(status="done") if code[-1] == "O" else None,
            opening=world.opening if seq == 0 else None,
        )  # fmt: skip
        raw = encode_record(record)
        prev = record_hash(raw)
        said = Acknowledgement(
            session=world.session, seq=seq, hash=prev, time=TIME, index=tree.size, signature=place_holder
        )
        last = seq == count - 1
        head = sshsig.sign(world.host_key, "head", head_bytes(world.session, seq, prev)) if last else place_holder
        tree.add(leaf_hash(TIME, prev))
        found.append(LoggedRecord(record=raw, head=head, acknowledgement=said))
    assert public_line(world.host_key)
    return found


def verify(file: Path) -> float:
    """Seconds to read and verify the file."""
    began = time.process_time()
    with file.open("rb") as lines:
        check = WholeCheck(open_checkpoint(read_trailer(lines).checkpoint, (LOG_LINE,)))
        for line in read_bare(lines):
            check.take(line.record, line.head, line.time, line.index)
        check.finish(log_keys=(LOG_LINE,), ca_line=CA_LINE)
    return time.process_time() - began


def memory(file: Path) -> float:
    """Seconds to verify what was read before."""
    with file.open("rb") as lines:
        check = WholeCheck(open_checkpoint(read_trailer(lines).checkpoint, (LOG_LINE,)))
        read = list(read_bare(lines))
    began = time.process_time()
    for line in read:
        check.take(line.record, line.head, line.time, line.index)
    check.finish(log_keys=(LOG_LINE,), ca_line=CA_LINE)
    return time.process_time() - began


def hashing(file: Path) -> float:
    """Seconds to hash each stored record and nothing else."""
    with file.open("rb") as lines:
        read = [line.record for line in read_bare(lines)]
    began = time.process_time()
    for raw in read:
        hashlib.sha256(raw).digest()
    return time.process_time() - began


if __name__ == "__main__":
    raise SystemExit(main())
