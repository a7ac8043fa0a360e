"""The technician's statement: what is signed before a session, and every check before the customer is asked.

Rule 1: nothing of an envelope is shown to anybody unless `verify_envelope` returned it.
Rule 2: the statement's exact bytes are the evidence: they are signed, named by the session id, and kept.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from remote_assist.core import codec
from remote_assist.core.codes import session_id
from remote_assist.core.identity.certificates import Certificate, check_certificate
from remote_assist.core.identity.lists import TrustedLists, open_lists
from remote_assist.core.messages import PROTOCOL_VERSION, SignedStatement, TechnicianEnvelope
from remote_assist.core.signing import keys, sshsig
from remote_assist.core.signing.keys import PrivateKey
from remote_assist.core.wishes import parse_wish
from remote_assist.errors import ContentError, LocalProtocolError, RemoteProtocolError, VerificationError

MAX_STATEMENT_BYTES = 16 << 10
MAX_TICKET_CHARS = 200
MAX_SUBJECT_CHARS = 2000
MAX_SECONDS = 24 * 3600
"""Longest consent that can be asked for at all; the agent's own limit is lower."""


@dataclass(frozen=True, slots=True)
class VerifiedTechnician:
    """Who asks, and for what, after every check.

    `verified`: the CA was known to the caller beforehand; else it is first contact, and only whoever gave the code
    vouches for the name. Names, ticket and subject are still a peer's text: show them through `safe_text`.
    """

    session: str
    statement: SignedStatement
    statement_bytes: bytes
    signature: str
    certificate: Certificate
    lists: TrustedLists
    lists_raw: tuple[bytes, ...]
    verified: bool


def sign_statement(
    key: PrivateKey, certificate_line: str, statement: SignedStatement, lists_raw: Sequence[bytes]
) -> TechnicianEnvelope:
    """The envelope of message 4. Raises LocalProtocolError for a statement that no agent would accept."""
    fault = _content_fault(statement)
    if fault:
        raise LocalProtocolError(f"the statement cannot be signed: {fault}")
    raw = codec.encode(statement, max_bytes=MAX_STATEMENT_BYTES)
    return TechnicianEnvelope(
        statement=raw,
        signature=sshsig.sign(key, "pair", raw),
        certificate=certificate_line,
        lists=tuple(lists_raw),
    )


def verify_envelope(
    envelope: TechnicianEnvelope,
    *,
    transcript: bytes,
    host_key_line: str,
    relay_origin: str,
    now: datetime,
    pinned_ca: str | None,
    floors: Mapping[str, int] | None = None,
    other_origins: Collection[str] = (),
) -> VerifiedTechnician:
    """What the envelope proves. Raises VerificationError with the sentence of the first check that fails.

    `pinned_ca`: the CA configured here, or seen with this relay before; None is first contact. `floors`: list
    kind → highest number seen. `other_origins`: further addresses of the relay that this end was given.
    """
    statement = _decode(envelope.statement)
    ca_line = _authority(statement.organisation_ca, pinned_ca)
    lists = open_lists(envelope.lists, ca_line=ca_line, now=now, floors=floors)
    certificate = check_certificate(
        envelope.certificate, ca_line=ca_line, now=now, role="technician", revoked=lists.revocations.serials
    )
    try:
        sshsig.verify(envelope.signature, certificate.key_line, "pair", envelope.statement)
    except VerificationError as error:
        raise _fault(f"it is not signed by the key of the certificate ({error.message})") from error
    origins = (relay_origin, *other_origins)
    fault = _binding_fault(statement, transcript, host_key_line, origins) or _content_fault(statement)
    if fault:
        raise _fault(fault)
    if statement.session_key == certificate.key_line:
        raise _fault("its session key is the certificate's own key, where a fresh one must stand")
    return VerifiedTechnician(
        session=session_id(envelope.statement),
        statement=statement,
        statement_bytes=envelope.statement,
        signature=envelope.signature,
        certificate=certificate,
        lists=lists,
        lists_raw=envelope.lists,
        verified=pinned_ca is not None,
    )


def _decode(raw: bytes) -> SignedStatement:
    try:
        return codec.decode(raw, SignedStatement, max_bytes=MAX_STATEMENT_BYTES)
    except RemoteProtocolError as error:
        raise _fault(f"it cannot be read ({error.message})") from error


def _authority(stated: str, pinned: str | None) -> str:
    """The CA to check against: the known one, else at first contact the one in the statement."""
    try:
        named = keys.load_public(stated)
    except ContentError as error:
        raise _fault(f"the CA it names is no plain public key ({error.message})") from error
    if pinned is None:
        return named
    try:
        known = keys.load_public(pinned)
    except ContentError as error:
        raise _fault(f"the CA known here is no plain public key ({error.message})") from error
    if named != known:
        raise VerificationError(
            f"the technician belongs to another organisation: CA {keys.fingerprint(named)}, "
            f"known here is {keys.fingerprint(known)}",
            where="statement.organisation_ca",
            advice="Do not go on. Call the organisation by a number you know.",
        )
    return known


def _binding_fault(statement: SignedStatement, transcript: bytes, host_key_line: str, origins: Sequence[str]) -> str:
    """Whether this statement was made for this pairing, this machine, this relay."""
    if statement.version != PROTOCOL_VERSION:
        return f"it is of version {statement.version}, not {PROTOCOL_VERSION}"
    if statement.transcript != transcript:
        return "it was made for another pairing"
    if statement.agent_host_key != host_key_line:
        return "it names another host key than this machine's"
    if statement.relay not in origins:
        return f"it was made at the relay {statement.relay[:200]}, and this one is {origins[0]}"
    return ""


def _content_fault(statement: SignedStatement) -> str:
    """What no statement may say, whoever signs it."""
    if fault := next(filter(None, map(_wish_fault, statement.scopes)), ""):
        return f"it asks for what nobody can allow: {fault}"
    if not statement.scopes or len(set(statement.scopes)) != len(statement.scopes):
        return "it asks for no scope, or for one twice"
    if not 1 <= statement.seconds <= MAX_SECONDS:
        return f"it asks for {statement.seconds} seconds, where 1 to {MAX_SECONDS} are possible"
    if not 0 < len(statement.ticket) <= MAX_TICKET_CHARS or len(statement.subject) > MAX_SUBJECT_CHARS:
        return "its ticket or subject is missing or too long"
    if not _is_session_key(statement.session_key):
        return "its session key is not a plain Ed25519 key"
    return ""


def _wish_fault(text: str) -> str:
    try:
        wish = parse_wish(text)
    except ContentError as error:
        return error.message
    return "" if str(wish) == text else f"{text[:60]} is not written as {wish}"


def _is_session_key(line: str) -> bool:
    try:
        return isinstance(keys.public_key(line), Ed25519PublicKey) and keys.load_public(line) == line
    except ContentError:
        return False


def _fault(text: str) -> VerificationError:
    return VerificationError(f"the technician's statement is refused: {text}", where="statement")
