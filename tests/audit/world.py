"""A small world for audit tests: an organisation, a technician, a log key, and a session's journal made for real."""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from remote_assist.audit.durable_file import Disk
from remote_assist.audit.journal import Journal
from remote_assist.core import codec
from remote_assist.core.api import LoggedRecord
from remote_assist.core.checkpoint import sign_checkpoint
from remote_assist.core.codes import session_id
from remote_assist.core.identity.certificates import issue_certificate
from remote_assist.core.identity.lists import (
    OrganisationList,
    PacksList,
    ReviewerKey,
    ReviewersList,
    RevocationsList,
    sign_list,
)
from remote_assist.core.log.sealing import ContentKey, new_content_key, seal
from remote_assist.core.messages import Acknowledgement, SignedStatement, StoredRecord
from remote_assist.core.records import (
    Actor,
    Opening,
    Outcome,
    RecordDraft,
    acknowledgement_bytes,
    decode_record,
    format_time,
    leaf_hash,
    record_hash,
)
from remote_assist.core.signing.keys import PrivateKey, fingerprint, new_key, public_line
from remote_assist.core.signing.reviewer_keys import reviewer_public
from remote_assist.core.signing.sshsig import sign
from remote_assist.core.tree import (
    Node,
    TreeHead,
    consistency_ranges,
    inclusion_ranges,
    leaf_of,
    proof_of,
    subtree_root,
)

START = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
RELAY = "https://relay.example.com:443"
CUSTOMER = Actor(kind="customer")
AGENT = Actor(kind="agent")


def seed(name: str) -> bytes:
    """32 bytes that are the same in every run."""
    return hashlib.sha256(name.encode()).digest()


def dice(name: str) -> Callable[[int], bytes]:
    """An entropy source that repeats itself in every run."""
    rolls = iter(range(1_000_000))
    return lambda count: b"".join(seed(f"{name} {next(rolls)}") for _ in range(count // 32 + 1))[:count]


class Clock:
    """Time that moves when told, and a little at each look."""

    def __init__(self, now: datetime = START) -> None:
        self.now = now

    def __call__(self) -> datetime:
        self.now += timedelta(milliseconds=7)
        return self.now


CA = new_key(seed("ca"))
CA_LINE = public_line(CA)
ALICE = new_key(seed("alice"))
LOG = new_key(seed("log"))
LOG_LINE = public_line(LOG)
REVIEWER_PRIVATE = seed("reviewer")
SERIAL = 7


def signed_lists(log_line: str = LOG_LINE) -> tuple[bytes, ...]:
    """The organisation's four lists."""
    issued, expires = "2026-02-01T00:00:00Z", "2027-02-01T00:00:00Z"
    reviewer = ReviewerKey(id="reviewers-1", public=reviewer_public(REVIEWER_PRIVATE))
    bodies = (
        OrganisationList(number=1, name="Example Support", log_keys=(log_line,), issued=issued),
        ReviewersList(number=1, keys=(reviewer,), issued=issued, expires=expires),
        PacksList(number=1, keys=(), issued=issued),
        RevocationsList(number=1, serials=(), issued=issued),
    )
    return tuple(sign_list(CA, body) for body in bodies)


class Log:
    """The relay's log: acknowledges what it is given, in order."""

    def __init__(self, key: PrivateKey = LOG, first_index: int = 40) -> None:
        self._key = key
        self._index = first_index
        self.clock = Clock(START + timedelta(milliseconds=300))

    def acknowledge(self, stored: StoredRecord) -> Acknowledgement:
        """A signed acknowledgement, one leaf further."""
        record, digest = decode_record(stored.record), record_hash(stored.record)
        self._index += 1
        time = format_time(self.clock())
        return self.sign(record.session, record.seq, digest, time, self._index)

    def sign(self, session: str, seq: int, digest: str, time: str, index: int) -> Acknowledgement:
        """An acknowledgement of exactly this."""
        signature = sign(self._key, "ack", acknowledgement_bytes(session, seq, digest, time, index))
        return Acknowledgement(session=session, seq=seq, hash=digest, time=time, index=index, signature=signature)


class Tree:
    """The relay's tree over what it acknowledged; leaves of sessions that no test made fill the rest."""

    def __init__(self, acknowledgements: Iterable[Acknowledgement]) -> None:
        given = {one.index: leaf_hash(one.time, one.hash) for one in acknowledgements}
        self.size = max(given, default=-1) + 1
        self._leaves = [given.get(index, leaf_of(f"other {index}".encode())) for index in range(self.size)]

    def checkpoint(self, size: int | None = None, *, key: PrivateKey = LOG) -> str:
        """The signed note of the first `size` leaves."""
        wanted = self.size if size is None else size
        return sign_checkpoint(key, TreeHead(wanted, subtree_root(self._leaves[:wanted])))

    def inclusion(self, index: int, size: int | None = None) -> tuple[bytes, ...]:
        """The proof of a leaf; none for one that is newer."""
        wanted = self.size if size is None else size
        return proof_of(inclusion_ranges(index, wanted), self._node) if index < wanted else ()

    def consistency(self, old: int, new: int) -> tuple[bytes, ...]:
        return proof_of(consistency_ranges(old, new), self._node)

    def _node(self, node: Node) -> bytes:
        level, number = node
        return subtree_root(self._leaves[number << level : (number + 1) << level])


@dataclass
class World:
    """One session: its keys, its journal, the relay's log."""

    host_key: PrivateKey
    session: str
    opening: Opening
    journal: Journal
    log: Log
    clock: Clock
    content_key: ContentKey
    technician: Actor

    async def append(self, code: str, actor: Actor = AGENT, **fields: object) -> StoredRecord:
        """A record in the journal, not yet acknowledged."""
        _, stored = await self.journal.append(RecordDraft(code=code, actor=actor, **fields))  # type: ignore[arg-type]
        return stored

    async def acknowledge_all(self) -> None:
        """The relay takes everything that waits."""
        for stored in self.journal.unacknowledged():
            await self.journal.acknowledge(self.log.acknowledge(stored))

    def logged(self) -> list[LoggedRecord]:
        """The log as the relay would hand it out."""
        found = []
        for stored, acknowledgement in self.journal.records():
            assert acknowledgement is not None
            found.append(LoggedRecord(record=stored.record, head=stored.head, acknowledgement=acknowledgement))
        return found


def new_world(folder: Path, *, disk: Disk | None = None, name: str = "one") -> World:
    """A session that is about to be opened, its journal empty."""
    clock = Clock()
    host_key = new_key(seed(f"host {name}"))
    certificate = issue_certificate(
        CA,
        public_line(ALICE),
        name="Alice Example",
        role="technician",
        serial=SERIAL,
        valid_after=START - timedelta(hours=1),
        valid_before=START + timedelta(hours=11),
    )
    statement = codec.encode(
        SignedStatement(
            version=1,
            transcript=seed(f"transcript {name}"),
            agent_host_key=public_line(host_key),
            session_key=public_line(new_key(seed(f"session {name}"))),
            ticket="T-1042",
            subject="Web server does not start",
            scopes=("diagnose", "terminal"),
            seconds=1800,
            relay=RELAY,
            organisation_ca=CA_LINE,
        )
    )
    opening = Opening(
        statement=statement,
        signature=sign(ALICE, "pair", statement),
        certificate=certificate,
        host_key=public_line(host_key),
        lists=signed_lists(),
    )
    session = session_id(statement)
    journal = Journal.create(folder, session, host_key, clock=clock, disk=disk)
    journal.open_for([LOG_LINE])
    technician = Actor(kind="technician", key=fingerprint(public_line(ALICE)), serial=SERIAL)
    return World(
        host_key,
        session,
        opening,
        journal,
        Log(first_index=40 if name == "one" else 140),
        clock,
        new_content_key(dice(name)),
        technician,
    )


async def play(world: World) -> None:
    """A whole session of ten records, acknowledged: a bundle, a command with sealed arguments, a refusal, the end."""
    rolls = dice("sealing")
    arguments = seal(
        world.content_key,
        b'["ls","-l","/root"]',
        session=world.session,
        name="arguments",
        record_key=rolls(32),
        nonce=rolls(12),
    )
    alice = world.technician
    await world.append("RA1000E", opening=world.opening)
    await world.append("RA1001E", CUSTOMER, scope="diagnose terminal", grant="g1")
    await world.append("RA1100I", alice, action="a1", scope="diagnose", catalog="first-look@1", grant="g1")
    await world.append("RA1100O", alice, action="a1", outcome=Outcome(status="done", size=4711))
    await world.append(
        "RA1400I", alice, action="a2", scope="terminal", program="ls", sealed={"arguments": arguments}, grant="g1"
    )
    await world.append("RA1400O", alice, action="a2", program="ls", outcome=Outcome(status="done", exit=2))
    await world.append(
        "RA1900R",
        alice,
        scope="files:read",
        paths=("/etc/shadow",),
        outcome=Outcome(status="refused", reason="out-of-scope"),
    )
    await world.append("RA1201I", alice, action="a3", scope="files:read", paths=("/var/log/dpkg.log",))
    await world.append(
        "RA1201O", alice, action="a3", paths=("/var/log/dpkg.log",), outcome=Outcome(status="done", size=99)
    )
    await world.append("RA1990E", CUSTOMER, outcome=Outcome(status="ended", reason="customer"))
    await world.acknowledge_all()
