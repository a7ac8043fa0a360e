"""Two technicians in one session: what the first signs, what the second signs, and every check of both.

    first ─ Invited, SSHSIG `share` ──▶ agent ─▶ customer's yes          (record RA1012E holds it)
    second ─ Attachment, SSHSIG `attach` ▶ agent ─▶ in                   (record RA1013E holds both)

Rule 1: an invitation names one certificate of the same CA, one session, one host key, a role and an end; whoever
signed it must be a technician of the session who may act. Rule 2: an attachment names the invitation's exact bytes
and the session key that SSH authenticated, so neither is worth anything in another session or in other hands.
The relay can forge neither: it holds no certified key.
"""

import base64
import contextlib
import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from remote_assist.core import codec
from remote_assist.core.identity.certificates import Certificate, check_certificate
from remote_assist.core.log.opening import check_opening
from remote_assist.core.messages import PROTOCOL_VERSION, Message
from remote_assist.core.record_codes import CHUNK_CODES, CODES, TECHNICIAN_LEFT, Kind
from remote_assist.core.records import Record, Second, parse_time, place
from remote_assist.core.signing import keys, sshsig
from remote_assist.core.signing.keys import PrivateKey
from remote_assist.errors import AssistError, ContentError, RefusedError, VerificationError

MAX_BYTES = 4 << 10
MAX_LIFE = timedelta(hours=8)
"""How long a second technician may take part at most."""


_AFTERWARDS = CHUNK_CODES | {"RA1209E", "RA1302E", "RA1304E", "RA1901E", "RA1902E"}
"""Events that follow from an action of before: its recording, counted look-ups, undo, abort, survivors."""


class Part(StrEnum):
    """What a technician's part in a session is. A successor becomes active, and whoever invited them leaves."""

    ACTIVE = "active"
    OBSERVER = "observer"
    SUCCESSOR = "successor"


class Invited(Message, frozen=True, tag="invited"):
    """What the first technician signs. `certificate`: the second's, by `certificate_fingerprint`; `expires`: end."""

    version: int
    session: str
    host_key: str
    certificate: str
    part: str
    expires: str


class Attachment(Message, frozen=True, tag="attachment"):
    """What the second technician signs. `invitation`: SHA-256 (hex) of the invitation's bytes."""

    version: int
    session: str
    host_key: str
    session_key: str
    invitation: str


@dataclass(frozen=True, slots=True)
class Invitation:
    """An invitation that passed every check. The certificate's name is hostile until `safe_text`."""

    raw: bytes
    signature: str
    part: Part
    expires: datetime
    certificate: Certificate

    @property
    def digest(self) -> str:
        """What an attachment calls it."""
        return hashlib.sha256(self.raw).hexdigest()

    @property
    def record(self) -> Second:
        """As a record keeps it."""
        return Second(invitation=self.raw, signature=self.signature, certificate=self.certificate.line)


def certificate_fingerprint(line: str) -> str:
    """`SHA256:…` over the whole certificate, not only its key. Raises ContentError."""
    _, body = keys.split_line(line)
    digest = hashlib.sha256(base64.b64decode(body)).digest()
    return "SHA256:" + base64.b64encode(digest).decode("ascii").rstrip("=")


def sign_invitation(key: PrivateKey, invited: Invited) -> tuple[bytes, str]:
    """The invitation's exact bytes and the first technician's signature over them."""
    raw = codec.encode(invited, max_bytes=MAX_BYTES)
    return raw, sshsig.sign(key, "share", raw)


def check_invitation(
    second: Second,
    *,
    session: str,
    host_key: str,
    signer_line: str,
    ca_line: str,
    now: datetime,
    revoked: Collection[int] = (),
) -> Invitation:
    """The invitation in `second`, if `signer_line` signed it for this session and this agent, and it holds now.

    Raises VerificationError (forged, another session's, another certificate's), RefusedError (`expired`).
    """
    try:
        sshsig.verify(second.signature, signer_line, "share", second.invitation)
        invited = codec.decode(second.invitation, Invited, max_bytes=MAX_BYTES)
        fingerprint = certificate_fingerprint(second.certificate)
        expires = parse_time(invited.expires)
        part = Part(invited.part)
    except (AssistError, ContentError, ValueError) as error:
        raise _fault(f"it does not hold ({error})") from error
    if invited.version != PROTOCOL_VERSION:
        raise _fault(f"it is of version {invited.version}, not {PROTOCOL_VERSION}")
    if (invited.session, invited.host_key) != (session, host_key):
        raise _fault("it was made for another session")
    if invited.certificate != fingerprint:
        raise _fault("it names another certificate than the one shown")
    certificate = check_certificate(second.certificate, ca_line=ca_line, now=now, role="technician", revoked=revoked)
    if now >= expires:
        raise RefusedError("the invitation of the second technician has expired", reason="expired", advice=_AGAIN)
    if expires > now + MAX_LIFE:
        raise _fault(f"it holds for longer than {MAX_LIFE.total_seconds() / 3600:g} hours")
    return Invitation(second.invitation, second.signature, part, min(expires, certificate.valid_before), certificate)


def sign_attachment(key: PrivateKey, attachment: Attachment) -> tuple[bytes, str]:
    """The attachment's exact bytes and the second technician's signature over them."""
    raw = codec.encode(attachment, max_bytes=MAX_BYTES)
    return raw, sshsig.sign(key, "attach", raw)


def named_invitation(raw: bytes) -> str:
    """Which invitation an attachment names: nothing is proven by it. Raises RemoteProtocolError."""
    return codec.decode(raw, Attachment, max_bytes=MAX_BYTES).invitation


def check_attachment(
    raw: bytes, signature: str, invitation: Invitation, *, session: str, host_key: str, session_key: str
) -> None:
    """Return if the invited technician signed this for `session_key`. Raises VerificationError."""
    try:
        sshsig.verify(signature, invitation.certificate.key_line, "attach", raw)
        said = codec.decode(raw, Attachment, max_bytes=MAX_BYTES)
    except AssistError as error:
        raise _attach_fault(f"it does not hold ({error.message})") from error
    wanted = Attachment(
        version=PROTOCOL_VERSION,
        session=session,
        host_key=host_key,
        session_key=session_key,
        invitation=invitation.digest,
    )
    if said != wanted:
        raise _attach_fault("it was made for another session, key or invitation")
    if session_key == invitation.certificate.key_line:
        raise _attach_fault("its session key is the certificate's own key, where a fresh one must stand")


@dataclass(frozen=True, slots=True)
class Proven:
    """The technicians a session's records have proven so far: fingerprint and serial → their key's line."""

    host_key: str
    ca_line: str
    lines: dict[tuple[str, int], str]
    names: dict[str, str]
    """Certified key → the name its certificate gives."""
    gone: frozenset[str] = frozenset()
    """Certified keys whose holders handed the session over; what they had begun may still end."""

    @classmethod
    def at_opening(cls, first: Certificate, host_key: str) -> "Proven":
        """Only the technician who paired."""
        lines = {(first.key_fingerprint, first.serial): first.key_line}
        return cls(host_key, first.ca_line, lines, {first.key_fingerprint: first.name})

    def invitation(self, record: Record) -> Invitation | None:
        """The invitation that `record` holds, if any. Raises AssistError when nobody here could have signed it."""
        return None if record.second is None else self._invitation(record, record.second)

    def after(self, record: Record) -> "Proven":
        """With whom `record` lets in. Raises VerificationError when it names a technician whom nothing let in."""
        actor = (record.actor.key, record.actor.serial)
        where = place(record.session, record.seq)
        try:
            found = self._joined(record)
        except AssistError as error:
            raise VerificationError(f"{where}: {error.message}", where=where) from error
        if record.actor.kind == "technician" and actor not in found.lines:
            raise VerificationError(f"{where}: it names a technician whom nothing let into this session", where=where)
        if record.actor.kind == "technician" and record.actor.key in found.gone and not _concludes(record.code):
            raise VerificationError(f"{where}: its technician had left this session before", where=where)
        return found

    def _joined(self, record: Record) -> "Proven":
        if record.code == TECHNICIAN_LEFT:
            return replace(self, gone=self.gone | {record.target})
        if record.second is None:
            return self
        invitation = self._invitation(record, record.second)
        if not record.second.attachment:
            return self
        said = codec.decode(record.second.attachment, Attachment, max_bytes=MAX_BYTES)
        check_attachment(
            record.second.attachment,
            record.second.attachment_signature,
            invitation,
            session=record.session,
            host_key=self.host_key,
            session_key=said.session_key,
        )
        certificate = invitation.certificate
        more = {(certificate.key_fingerprint, certificate.serial): certificate.key_line}
        names = self.names | {certificate.key_fingerprint: certificate.name}
        gone = self.gone - {certificate.key_fingerprint}  # who was let in anew
        return Proven(self.host_key, self.ca_line, self.lines | more, names, gone)

    def _invitation(self, record: Record, second: Second) -> Invitation:
        fault: AssistError = VerificationError("the second technician was invited by nobody")
        for (key, _), line in self.lines.items():
            if key in self.gone:
                continue
            try:
                return check_invitation(
                    second,
                    session=record.session,
                    host_key=self.host_key,
                    signer_line=line,
                    ca_line=self.ca_line,
                    now=parse_time(record.time),
                )
            except AssistError as error:
                fault = error
        raise fault


def _concludes(code: str) -> bool:
    """Whether a record only says how something begun before ended, or that something was refused."""
    kind = CODES[code].kind
    return kind is Kind.OUTCOME or kind is Kind.REFUSAL or code in _AFTERWARDS


def technicians_in(records: Sequence[Record]) -> dict[str, str]:
    """Certified key → name of every technician a session's records prove; what does not hold names nobody."""
    try:
        proven = Proven.at_opening(check_opening(records[0], ca_line=None).technician, "")
    except (AssistError, IndexError):
        return {}
    assert records[0].opening is not None
    proven = replace(proven, host_key=records[0].opening.host_key)
    for record in records:
        with contextlib.suppress(AssistError):
            proven = proven.after(record)
    return proven.names


_AGAIN = "Ask the first technician to share the session again."


def _fault(text: str) -> VerificationError:
    return VerificationError(f"the invitation of the second technician is refused: {text}", where="share")


def _attach_fault(text: str) -> VerificationError:
    return VerificationError(f"the second technician's proof is refused: {text}", where="attach")
