"""Invitations and proofs of a second technician: what holds, and every way to be wrong."""

import base64
import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from remote_assist.core.agreements.sharing import (
    Attachment,
    Invitation,
    Invited,
    Part,
    Proven,
    certificate_fingerprint,
    check_attachment,
    check_invitation,
    named_invitation,
    sign_attachment,
    sign_invitation,
    technicians_in,
)
from remote_assist.core.codec import encode
from remote_assist.core.codes import session_id
from remote_assist.core.identity.certificates import issue_certificate
from remote_assist.core.identity.statement import sign_statement
from remote_assist.core.messages import PROTOCOL_VERSION, SignedStatement
from remote_assist.core.records import NO_RECORD, Actor, Opening, Record, Second, decode_record, format_time
from remote_assist.core.signing.keys import PrivateKey, fingerprint, new_key, public_line
from remote_assist.core.signing.sshsig import sign
from remote_assist.errors import AssistError, RefusedError, VerificationError

NOW = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
SESSION = "s-abcdefghijklmnop"
VECTOR = Path(__file__).parent.parent / "vectors" / "records" / "second.json"


def key(name: str) -> PrivateKey:
    return new_key(hashlib.sha256(name.encode()).digest())


CA, ALICE, BOB, HOST, MALLORY, BOBS_SESSION = map(key, ("ca", "alice", "bob", "host", "mallory", "bob's session"))


def certificate(
    ca: PrivateKey = CA,
    holder: PrivateKey = BOB,
    *,
    name: str = "Bob Example",
    role: str = "technician",
    serial: int = 8,
) -> str:
    valid: dict[str, Any] = {"valid_after": NOW - timedelta(hours=1), "valid_before": NOW + timedelta(hours=11)}
    return issue_certificate(ca, public_line(holder), name=name, role=role, serial=serial, **valid)


def invited(line: str, **changes: Any) -> Invited:
    plain = Invited(
        version=PROTOCOL_VERSION,
        session=SESSION,
        host_key=public_line(HOST),
        certificate=certificate_fingerprint(line),
        part="active",
        expires=format_time(NOW + timedelta(minutes=30)),
    )
    return structs.replace(plain, **changes)


def second(line: str = "", *, signer: PrivateKey = ALICE, **changes: Any) -> Second:
    line = line or certificate()
    raw, signature = sign_invitation(signer, invited(line, **changes))
    return Second(invitation=raw, signature=signature, certificate=line)


def checked(offered: Second, **changes: Any) -> Invitation:
    expected: dict[str, Any] = {
        "session": SESSION,
        "host_key": public_line(HOST),
        "signer_line": public_line(ALICE),
        "ca_line": public_line(CA),
        "now": NOW,
    }
    return check_invitation(offered, **expected | changes)


def attachment(invitation: Invitation, /, **changes: Any) -> Attachment:
    plain = Attachment(
        version=PROTOCOL_VERSION,
        session=SESSION,
        host_key=public_line(HOST),
        session_key=public_line(BOBS_SESSION),
        invitation=invitation.digest,
    )
    return structs.replace(plain, **changes)


def attach(
    invitation: Invitation, /, signer: PrivateKey = BOB, *, session_key: PrivateKey = BOBS_SESSION, **changes: Any
) -> None:
    raw, signature = sign_attachment(signer, attachment(invitation, **changes))
    expected = {"session": SESSION, "host_key": public_line(HOST), "session_key": public_line(session_key)}
    check_attachment(raw, signature, invitation, **expected)


def test_an_invitation_and_its_proof_hold() -> None:
    invitation = checked(second())
    assert (invitation.part, invitation.certificate.name) == (Part.ACTIVE, "Bob Example")
    assert invitation.expires == NOW + timedelta(minutes=30)
    assert checked(invitation.record) == invitation
    attach(invitation)
    assert named_invitation(encode(attachment(invitation))) == invitation.digest


def test_it_ends_with_the_certificate_at_the_latest() -> None:
    assert checked(second(), now=NOW).expires == NOW + timedelta(minutes=30)
    late = NOW + timedelta(hours=10, minutes=40)
    offered = second(expires=format_time(late + timedelta(minutes=40)))
    assert checked(offered, now=late).expires == NOW + timedelta(hours=11)


@pytest.mark.parametrize(
    ("offered", "why"),
    [
        (second(signer=MALLORY), "does not hold"),
        (second(version=2), "version 2"),
        (second(session="s-qrstuvwxyz234567"), "another session"),
        (second(host_key=public_line(MALLORY)), "another session"),
        (second(certificate="SHA256:other"), "another certificate"),
        (second(part="owner"), "does not hold"),
        (second(expires="tomorrow"), "does not hold"),
        (second(expires=format_time(NOW + timedelta(hours=9))), "longer than 8 hours"),
        (second(certificate(MALLORY)), "another CA"),
        (second(certificate(role="reviewer")), "not for technician"),
        (structs.replace(second(), certificate="ssh-ed25519"), "does not hold"),
        (structs.replace(second(), certificate=certificate(serial=9)), "another certificate"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_every_other_invitation_is_refused(offered: Second, why: str) -> None:
    with pytest.raises(VerificationError, match=why):
        checked(offered)


def test_one_that_is_no_invitation_is_refused_though_it_is_signed() -> None:
    raw = b'{"type": "attachment"}'
    with pytest.raises(VerificationError, match="does not hold"):
        checked(structs.replace(second(), invitation=raw, signature=sign(ALICE, "share", raw)))
    with pytest.raises(VerificationError, match="does not hold"):  # a signature of another purpose
        checked(structs.replace(second(), signature=sign(ALICE, "pair", second().invitation)))


def test_one_that_expired_and_a_revoked_certificate_are_refused() -> None:
    with pytest.raises(RefusedError, match="expired"):
        checked(second(), now=NOW + timedelta(minutes=30))
    with pytest.raises(VerificationError, match="revoked"):
        checked(second(), revoked=[8])


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"signer": MALLORY}, "does not hold"),
        ({"signer": ALICE}, "does not hold"),
        ({"version": 2}, "made for another"),
        ({"session": "s-qrstuvwxyz234567"}, "made for another"),
        ({"host_key": public_line(MALLORY)}, "made for another"),
        ({"invitation": "0" * 64}, "made for another"),
        ({"session_key": MALLORY}, "made for another"),
    ],
    ids=["a stranger", "the first", "version", "session", "host key", "invitation", "session key"],
)
def test_every_other_proof_is_refused(changes: dict[str, Any], why: str) -> None:
    with pytest.raises(VerificationError, match=why):
        attach(checked(second()), **changes)


def test_the_certified_key_is_no_session_key() -> None:
    invitation = checked(second())
    raw, signature = sign_attachment(BOB, attachment(invitation, session_key=public_line(BOB)))
    with pytest.raises(VerificationError, match="a fresh one"):
        check_attachment(
            raw,
            signature,
            invitation,
            session=SESSION,
            host_key=public_line(HOST),
            session_key=public_line(BOB),
        )


# --- what records prove ----------------------------------------------------------------------------


def proven() -> Proven:
    line = certificate(holder=ALICE, name="Alice Example", serial=7)
    alice = checked(second(line, signer=ALICE)).certificate
    return Proven.at_opening(alice, public_line(HOST))


def record(who: PrivateKey, serial: int, **more: Any) -> Record:
    actor = Actor(kind="technician", key=fingerprint(public_line(who)), serial=serial)
    plain: dict[str, Any] = {
        "code": "RA1400I",
        "actor": actor,
        "session": SESSION,
        "seq": 5,
        "prev": "1" * 64,
        "time": format_time(NOW),
    }
    return Record(**plain | more)


def joined(by: PrivateKey = ALICE, holder: PrivateKey = BOB) -> Second:
    line = certificate(holder=holder)
    invitation = checked(second(line, signer=by), signer_line=public_line(by))
    raw, signature = sign_attachment(holder, attachment(invitation))
    return structs.replace(invitation.record, attachment=raw, attachment_signature=signature)


def test_a_technician_counts_once_the_records_prove_them() -> None:
    before = proven()
    assert before.after(record(ALICE, 7)) == before
    with pytest.raises(VerificationError, match="whom nothing let into"):
        before.after(record(BOB, 8))
    customer = record(ALICE, 7, code="RA1012E", actor=Actor(kind="customer"), second=second())
    admitted = before.after(customer)
    assert before.invitation(customer) is not None and before.invitation(record(ALICE, 7)) is None
    with pytest.raises(VerificationError, match="whom nothing let into"):
        admitted.after(record(BOB, 8))
    after = before.after(record(BOB, 8, code="RA1013E", second=joined()))
    assert after.names[fingerprint(public_line(BOB))] == "Bob Example"
    after.after(record(BOB, 8))
    after.after(record(MALLORY, 8, code="RA1013E", second=joined(by=BOB, holder=MALLORY)))


def test_after_a_transfer_the_first_may_only_end_what_was_begun_until_let_in_anew() -> None:
    with_bob = proven().after(record(BOB, 8, code="RA1013E", second=joined()))
    left = record(ALICE, 7, code="RA1014E", actor=Actor(kind="agent"), target=fingerprint(public_line(ALICE)))
    handed_over = with_bob.after(left)
    for code in ("RA1400O", "RA1410E", "RA1900R", "RA1901E"):
        handed_over.after(record(ALICE, 7, code=code))
    for code in ("RA1400I", "RA1600I", "RA1008E", "RA1990E"):
        with pytest.raises(VerificationError, match=r"record 5 of .*: its technician had left"):
            handed_over.after(record(ALICE, 7, code=code))
    handed_over.after(record(BOB, 8))
    with pytest.raises(VerificationError, match="record 5 of"):  # nor may she bring anybody in
        handed_over.after(record(MALLORY, 8, code="RA1013E", second=joined(by=ALICE, holder=MALLORY)))
    bob_left = replace(with_bob, gone=frozenset({fingerprint(public_line(BOB))}))
    bob_left.after(record(BOB, 8, code="RA1013E", second=joined())).after(record(BOB, 8))


def test_a_second_technician_nobody_invited_and_a_proof_of_somebody_else_do_not_count() -> None:
    with pytest.raises(VerificationError, match="record 5 of"):
        proven().after(record(MALLORY, 8, code="RA1013E", second=joined(by=MALLORY, holder=MALLORY)))
    forged = structs.replace(joined(), attachment_signature=sign(MALLORY, "attach", joined().attachment))
    with pytest.raises(VerificationError, match="record 5 of"):
        proven().after(record(BOB, 8, code="RA1013E", second=forged))
    with pytest.raises(VerificationError):
        replace(proven(), lines={}).after(record(ALICE, 7, second=second()))


def test_the_vector_of_a_second_technician_holds() -> None:
    vector = json.loads(VECTOR.read_text())
    found = decode_record(vector["record"].encode())
    assert found.second is not None
    invitation = check_invitation(
        found.second,
        session=found.session,
        host_key=vector["host_key"],
        signer_line=vector["first_technician"],
        ca_line=vector["ca"],
        now=NOW,
    )
    said = json.loads(found.second.attachment)
    check_attachment(
        found.second.attachment,
        found.second.attachment_signature,
        invitation,
        session=found.session,
        host_key=vector["host_key"],
        session_key=said["session_key"],
    )
    assert invitation.part is Part.OBSERVER


def test_a_fingerprint_covers_the_whole_certificate() -> None:
    line = certificate()
    digest = hashlib.sha256(base64.b64decode(line.split()[1])).digest()
    assert certificate_fingerprint(line) == "SHA256:" + base64.b64encode(digest).decode().rstrip("=")
    with pytest.raises(AssistError):
        certificate_fingerprint("nothing")


def test_records_that_prove_nothing_name_nobody() -> None:
    assert technicians_in([]) == {}
    assert technicians_in([record(ALICE, 7)]) == {}


def test_records_name_everybody_they_prove_and_nobody_else() -> None:
    line = certificate(holder=ALICE, name="Alice Example", serial=7)
    statement = SignedStatement(
        version=PROTOCOL_VERSION,
        transcript=bytes(32),
        agent_host_key=public_line(HOST),
        session_key=public_line(MALLORY),
        ticket="1001",
        subject="Web server does not start",
        scopes=("diagnose",),
        seconds=600,
        relay="https://relay.example.com:443",
        organisation_ca=public_line(CA),
    )
    envelope = sign_statement(ALICE, line, statement, ())
    opening = Opening(
        statement=envelope.statement, signature=envelope.signature, certificate=line, host_key=public_line(HOST)
    )
    session = session_id(envelope.statement)
    first = record(ALICE, 7, code="RA1000E", seq=0, prev=NO_RECORD, opening=opening, session=session)
    assert technicians_in([first]) == {fingerprint(public_line(ALICE)): "Alice Example"}
    bobs = certificate()
    raw, signature = sign_invitation(ALICE, invited(bobs, session=session))
    invitation = checked(Second(invitation=raw, signature=signature, certificate=bobs), session=session)
    proof, proof_signature = sign_attachment(BOB, attachment(invitation, session=session))
    whole = structs.replace(invitation.record, attachment=proof, attachment_signature=proof_signature)
    stranger = record(MALLORY, 9, session=session)
    attached = record(BOB, 8, code="RA1013E", second=whole, session=session)
    assert set(technicians_in([first, stranger, attached]).values()) == {"Alice Example", "Bob Example"}
