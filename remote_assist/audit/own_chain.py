"""Whether records that belong to no session hold: whose they are, that only their owner wrote them, that none is gone.

Rule: as `audit/verify.py` for sessions: what fails names its place, nothing is taken on the relay's word.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from remote_assist.audit.verify import Evidence, check_promise
from remote_assist.core.log.chain import Chain, advance
from remote_assist.core.log.organisation import OpenedChain, check_chain_opening, check_own_words
from remote_assist.core.messages import StoredRecord
from remote_assist.core.records import Record, decode_record, place
from remote_assist.errors import RemoteProtocolError, VerificationError


@dataclass(frozen=True, slots=True)
class ChainReport:
    """What such a chain proves. `owner` as the CA signed it: show it through `safe_text`; `role` relay: its own."""

    chain: str
    owner: str
    role: str
    serial: int
    ca_fingerprint: str
    ca_checked: bool
    records: int
    head: str
    first_index: int
    last_index: int


def verify_chain(
    records: Iterable[Evidence],
    *,
    log_keys: Collection[str],
    ca_line: str | None,
    strict: bool = False,
    chain: str = "",
    expected_head: str = "",
) -> ChainReport:
    """Verify a chain from its first record on. `expected_head`: the hash somebody says it ends in.

    Raises VerificationError.
    """
    owner: OpenedChain | None = None
    state: Chain | None = None
    first, last = -1, -1
    for evidence in records:
        state = state or Chain(_name(evidence, chain))
        stored = StoredRecord(record=evidence.record, head=evidence.head)
        record, state = advance(state, stored, strict=strict)
        if owner is None:
            owner = _open(record, ca_line, log_keys)
        check_own_words(record, owner)
        where = place(record.session, record.seq)
        if evidence.acknowledgement is None:
            raise VerificationError(f"{where}: its acknowledgement is missing", where=where)
        check_promise(evidence.acknowledgement, record, state.hash, log_keys, last)
        last = evidence.acknowledgement.index
        first = last if first < 0 else first
    if state is None or owner is None:
        raise VerificationError(f"{chain or 'the chain'}: there is no record at all", where="record 0")
    if expected_head and state.hash != expected_head:
        where = place(state.session, state.seq + 1)
        raise VerificationError(f"{where}: missing; the chain goes on, but its records end at {state.seq}", where=where)
    return ChainReport(
        state.session,
        owner.name,
        owner.role,
        owner.serial,
        owner.ca_fingerprint,
        owner.ca_checked,
        state.seq + 1,
        state.hash,
        first,
        last,
    )


def _name(evidence: Evidence, expected: str) -> str:
    where = f"record 0 of {expected or 'the chain'}"
    try:
        found = decode_record(evidence.record).session
    except RemoteProtocolError as error:
        raise VerificationError(f"{where}: {error.message}", where=where) from error
    if expected and found != expected:
        raise VerificationError(f"{where}: it belongs to {found}", where=where)
    return found


def _open(record: Record, ca_line: str | None, log_keys: Collection[str]) -> OpenedChain:
    if not log_keys:
        where = place(record.session, 0)
        raise VerificationError(
            f"{where}: no log key is vouched for, so nothing proves the acknowledgements",
            where=where,
            advice="Name the relay's log key (--log-key KEY.pub) or the organisation's CA key (--ca CA.pub).",
        )
    return check_chain_opening(record, ca_line=ca_line, log_keys=log_keys)
