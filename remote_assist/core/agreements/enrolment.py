"""Enrolled machines: who may be reached without a code, and how each end proves itself. PROTOCOL 1, without words.

    once, by code     agent: EnrolmentWish ─▶ technician signs Enrolment (SSHSIG `enrol`) ─▶ kept at the agent, 0600
    each session      agent: EnrolmentProof: the enrolment, and the enrolment key's signature (SSHSIG `machine`)
                      over this pairing's first two messages and the fresh host key

Rule 1: an enrolment holds when a technician of the pinned CA signed it, with a certificate that was good that day; the
relay's directory is believed for nothing but names. Rule 2: without a secret code the pairing's key exchange proves
nobody, so nothing is believed before both signatures over its transcript held: the machine's here, the technician's
in `verify_envelope`. Rule 3: whoever reaches an enrolled machine has a certificate at most 24 hours old.
"""

import hashlib
import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from remote_assist.core import codec
from remote_assist.core.codes import WORDS_IN_A_CODE, SupportCode, short_id
from remote_assist.core.identity.certificates import Certificate, check_certificate
from remote_assist.core.messages import PROTOCOL_VERSION, EnrolmentProof, EnrolmentWish, Message, SignedEnrolment
from remote_assist.core.pairing_keys import joined
from remote_assist.core.records import parse_time
from remote_assist.core.signing import keys, sshsig
from remote_assist.core.signing.keys import PrivateKey
from remote_assist.core.words import WORDS
from remote_assist.errors import AssistError, ContentError, RefusedError, VerificationError

MAX_BYTES = 8 << 10
MAX_CERTIFICATE_AGE = timedelta(hours=24)
_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{0,62}")


class Enrolment(Message, frozen=True, tag="enrolment"):
    """What the technician signs. Keys are plain lines; `issued` RFC 3339 UTC."""

    version: int
    name: str
    enrolment_key: str
    consent_key: str
    relay: str
    organisation_ca: str
    issued: str


@dataclass(frozen=True, slots=True)
class Machine:
    """An enrolment that passed every check. `by`: the technician's certificate."""

    id: str
    enrolment: Enrolment
    by: Certificate


def machine_id(enrolment_key: str) -> str:
    """`m-` and 16 letters: what a machine is called, made of its enrolment key."""
    return short_id("m-", hashlib.sha256(enrolment_key.encode("ascii")).digest())


def is_machine_name(text: str) -> bool:
    """Whether a machine may be called so: like a host name."""
    return _NAME.fullmatch(text) is not None


def open_code(nameplate: str) -> SupportCode:
    """The code of a pairing whose words are no secret: the machine and the technician prove themselves by signature."""
    return SupportCode(nameplate, "-".join(WORDS[:WORDS_IN_A_CODE]))


def sign_enrolment(key: PrivateKey, certificate_line: str, wish: EnrolmentWish, **bound: str) -> SignedEnrolment:
    """The technician's word. `bound`: relay, organisation_ca, issued. Raises VerificationError for an unfit wish."""
    _check_wish(wish)
    enrolment = Enrolment(
        version=PROTOCOL_VERSION,
        name=wish.name,
        enrolment_key=wish.enrolment_key,
        consent_key=wish.consent_key,
        **bound,
    )
    raw = codec.encode(enrolment, max_bytes=MAX_BYTES)
    return SignedEnrolment(enrolment=raw, signature=sshsig.sign(key, "enrol", raw), certificate=certificate_line)


def check_enrolment(signed: SignedEnrolment, *, ca_line: str, revoked: Collection[int] = ()) -> Machine:
    """The enrolment, if a technician of this CA signed it. Raises VerificationError."""
    try:
        enrolment = codec.decode(signed.enrolment, Enrolment, max_bytes=MAX_BYTES)
        by = check_certificate(
            signed.certificate, ca_line=ca_line, now=parse_time(enrolment.issued), role="technician", revoked=revoked
        )
        sshsig.verify(signed.signature, by.key_line, "enrol", signed.enrolment)
        _check_wish(enrolment)
    except AssistError as error:
        raise _fault(error.message) from error
    if enrolment.version != PROTOCOL_VERSION or enrolment.organisation_ca != ca_line:
        raise _fault("it is of another version or organisation")
    return Machine(machine_id(enrolment.enrolment_key), enrolment, by)


def machine_bytes(offer: bytes, host_key: str) -> bytes:
    """What the machine signs in a pairing: its first two messages (`offer`) and the host key made for it."""
    return joined([b"remote-assist/1 machine", offer, host_key.encode("ascii")])


def prove_machine(key: PrivateKey, signed: SignedEnrolment, offer: bytes, host_key: str) -> EnrolmentProof:
    """The machine's proof for one pairing."""
    return EnrolmentProof(signed=signed, signature=sshsig.sign(key, "machine", machine_bytes(offer, host_key)))


def check_machine(
    proof: EnrolmentProof, *, offer: bytes, host_key: str, wanted: str, ca_line: str, revoked: Collection[int] = ()
) -> Machine:
    """The machine at the other end, if it is the one wanted (by id). Raises VerificationError."""
    machine = check_enrolment(proof.signed, ca_line=ca_line, revoked=revoked)
    if machine.id != wanted:
        raise _fault(f"another machine answered: {machine.id}, not {wanted}")
    try:
        sshsig.verify(proof.signature, machine.enrolment.enrolment_key, "machine", machine_bytes(offer, host_key))
    except VerificationError as error:
        raise _fault("the machine did not sign this pairing: somebody is in between") from error
    return machine


def check_fresh(certificate: Certificate, now: datetime) -> None:
    """Raise RefusedError for a technician whose certificate is older than an enrolled machine takes."""
    if now - certificate.valid_after > MAX_CERTIFICATE_AGE:
        raise RefusedError(
            "the technician's certificate is older than 24 hours, and this machine takes newer ones only",
            reason="unverified",
            advice="Sign a new certificate: remote-assist ca sign.",
        )


def _check_wish(wish: "EnrolmentWish | Enrolment") -> None:
    for line in (wish.enrolment_key, wish.consent_key):
        try:
            plain = keys.load_public(line) == line and line.startswith("ssh-ed25519 ")
        except ContentError as error:
            raise _fault(error.message) from error
        if not plain:
            raise _fault("its keys are not plain Ed25519 keys")
    if not is_machine_name(wish.name):
        raise _fault("the machine's name is not like a host name", advice="Small letters, digits, dots, hyphens.")


def _fault(text: str, advice: str = "") -> VerificationError:
    return VerificationError(f"the enrolment is refused: {text}", where="enrolment", advice=advice)
