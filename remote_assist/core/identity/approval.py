"""A second technician's word for a plan of high risk: a signature over session and plan digest.

Rule 1: it is by another person than the session's technician: another key, another certificate, another name, given by
the same CA. Rule 2: it names one session and one plan; it serves for no other.
"""

from collections.abc import Collection
from datetime import datetime

import msgspec

from remote_assist.core import codec
from remote_assist.core.identity.certificates import Certificate, check_certificate
from remote_assist.core.signing import sshsig
from remote_assist.core.signing.keys import PrivateKey
from remote_assist.errors import AssistError, RefusedError, VerificationError

MAX_APPROVAL_BYTES = 24 << 10

_PURPOSE = b"remote-assist approve/1\0"


class Approval(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What an approver hands over: their certificate line and an SSHSIG, namespace approve."""

    session: str
    plan: str
    certificate: str
    signature: str


def approve(key: PrivateKey, certificate_line: str, session: str, plan: str) -> Approval:
    """Approve the plan with this digest in this session."""
    signature = sshsig.sign(key, "approve", _signed(session, plan))
    return Approval(session=session, plan=plan, certificate=certificate_line, signature=signature)


def approval_text(approval: Approval) -> bytes:
    """One line to hand over."""
    return codec.encode(approval, max_bytes=MAX_APPROVAL_BYTES) + b"\n"


def read_approval(raw: bytes) -> Approval:
    """What was handed over, unchecked. Raises VerificationError."""
    try:
        return codec.decode(raw, Approval, max_bytes=MAX_APPROVAL_BYTES)
    except AssistError as error:
        raise VerificationError(f"this is no approval: {error.message}", where="approval") from error


def check_approval(
    approval: Approval | None,
    *,
    session: str,
    plan: str,
    technician: Certificate,
    now: datetime,
    revoked: Collection[int],
) -> Certificate:
    """The approver's certificate. Raises RefusedError (`not-approved`) for everything else."""
    if approval is None:
        raise _refused("a plan of high risk needs a second technician's approval", session, plan)
    if (approval.session, approval.plan) != (session, plan):
        raise _refused("the approval is for another session or another plan", session, plan)
    try:
        approver = check_certificate(
            approval.certificate, ca_line=technician.ca_line, now=now, role="technician", revoked=revoked
        )
        sshsig.verify(approval.signature, approver.key_line, "approve", _signed(session, plan))
    except AssistError as error:
        raise _refused(f"the approval does not hold: {error.message}", session, plan) from error
    same = approver.key_line == technician.key_line or approver.serial == technician.serial
    if same or approver.name.casefold() == technician.name.casefold():
        raise _refused("the approval is the technician's own; it must be another person's", session, plan)
    return approver


def _signed(session: str, plan: str) -> bytes:
    return _PURPOSE + session.encode("utf-8", "surrogatepass") + b"\0" + plan.encode("utf-8", "surrogatepass")


def _refused(sentence: str, session: str, plan: str) -> RefusedError:
    advice = (
        f"A colleague runs `remote-assist approve {session} {plan} -o FILE`; then add --apply {plan} --approval FILE."
    )
    return RefusedError(sentence, reason="not-approved", advice=advice)
