"""What a session's first record proves: that a certified technician asked for exactly this session.

Rule 1: statement, signature, certificate, host key and session id must name each other, so nobody can invent a
session for a technician. Rule 2: the certificate is checked at the record's time; one that expired since still
proves what was done then.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from remote_assist.core.catalog.packs import PackTrust
from remote_assist.core.codec import decode
from remote_assist.core.codes import session_id
from remote_assist.core.identity.certificates import Certificate, ca_of, check_certificate
from remote_assist.core.identity.lists import AnyList, OrganisationList, PacksList, RevocationsList, open_list
from remote_assist.core.messages import SignedStatement
from remote_assist.core.record_codes import SESSION_OPENED
from remote_assist.core.records import Opening, Record, parse_time, place
from remote_assist.core.signing import sshsig
from remote_assist.errors import AssistError, VerificationError


@dataclass(frozen=True, slots=True)
class OpenedSession:
    """What the opening proves. `ca_checked`: a CA key somebody vouched for signed the certificate.

    `log_keys` are those the CA's organisation list in the opening names; empty without a vouched-for CA.
    """

    technician: Certificate
    statement: SignedStatement
    ca_checked: bool
    log_keys: tuple[str, ...]


def check_opening(record: Record, *, ca_line: str | None) -> OpenedSession:
    """Check the first record. Without `ca_line` the certificate's own CA is taken and `ca_checked` is false.

    Raises VerificationError naming what does not fit.
    """
    where = place(record.session, record.seq)
    opening = record.opening
    if opening is None or record.code != SESSION_OPENED:
        raise VerificationError(f"{where}: a session must begin with its opening", where=where)
    try:
        return _check(record, opening, ca_line)
    except AssistError as error:
        raise VerificationError(f"{where}: {error.message}", where=where, advice=error.advice) from error


def log_keys_of(lists: Sequence[bytes], ca_line: str) -> tuple[str, ...]:
    """The log keys on the organisation lists among `lists`. Raises VerificationError for another CA's list."""
    opened = [_opened_list(raw, ca_line) for raw in lists]
    return tuple(dict.fromkeys(key for one in opened if isinstance(one, OrganisationList) for key in one.signing_keys))


def pack_trust_of(lists: Sequence[bytes], ca_line: str) -> PackTrust:
    """Who may sign packs, by the lists among `lists`. Raises VerificationError for another CA's list."""
    opened = [_opened_list(raw, ca_line) for raw in lists]
    return next((PackTrust(one.keys, one.revoked) for one in opened if isinstance(one, PacksList)), PackTrust())


def _check(record: Record, opening: Opening, ca_line: str | None) -> OpenedSession:
    statement = decode(opening.statement, SignedStatement)
    if session_id(opening.statement) != record.session:
        raise VerificationError("the session id is not that of the technician's statement")
    if statement.agent_host_key != opening.host_key:
        raise VerificationError("the technician's statement names another host key")
    certificate = check_certificate(
        opening.certificate,
        ca_line=ca_line or ca_of(opening.certificate),
        now=parse_time(record.time),
        role="technician",
    )
    if ca_line and certificate.serial in _revoked(opening.lists, ca_line):
        raise VerificationError(f"the certificate's serial {certificate.serial} was revoked when the session opened")
    if statement.organisation_ca != certificate.ca_line:
        raise VerificationError("the technician's statement names another CA than the certificate")
    sshsig.verify(opening.signature, certificate.key_line, "pair", opening.statement)
    log_keys = log_keys_of(opening.lists, ca_line) if ca_line else ()
    return OpenedSession(certificate, statement, ca_line is not None, log_keys)


@lru_cache(maxsize=64)
def _opened_list(raw: bytes, ca_line: str) -> AnyList:
    """Sessions of the same days carry the same lists: each is verified once for many openings."""
    return open_list(raw, ca_line=ca_line)


def _revoked(lists: Sequence[bytes], ca_line: str) -> tuple[int, ...]:
    opened = [_opened_list(raw, ca_line) for raw in lists]
    return tuple(serial for one in opened if isinstance(one, RevocationsList) for serial in one.serials)
