"""T17 (CVE-2025-49825 and its kin): a corpus of certificates that must not pass, each refused by its own sentence."""

import base64
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from remote_assist.core.identity.certificates import check_certificate
from remote_assist.core.signing import keys
from remote_assist.core.signing.sshwire import string
from remote_assist.errors import VerificationError
from tests.core.pairs import ALICE, ALICE_LINE, CA, CA_LINE, NOW, OTHER_CA, certificate
from tests.core.raw_certificates import BEGIN, END, RawCertificate

RSA_CA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
GOOD = RawCertificate()
NESTED = keys.blob_of(certificate(OTHER_CA, role="operator"))

CORPUS: dict[str, tuple[RawCertificate, str]] = {
    "nested": (GOOD.but(signer=NESTED), "nested: its CA is itself a certificate"),
    "self-signed": (GOOD.but(ca=ALICE), "signed by another CA"),
    "other CA": (GOOD.but(ca=OTHER_CA), "signed by another CA"),
    "other CA that names ours": (
        GOOD.but(ca=OTHER_CA, signer=keys.blob_of(CA_LINE)),
        "the CA's signature on it does not hold",
    ),
    "host certificate": (GOOD.but(kind=2), "it is a host certificate"),
    "unknown type": (GOOD.but(kind=3), "it cannot be read"),
    "expired": (GOOD.but(after=BEGIN - 9000, before=BEGIN), "it expired 2026-03-01 11:55 UTC"),
    "expires this second": (GOOD.but(before=int(NOW.timestamp())), "it expired 2026-03-01 12:00 UTC"),
    "future": (GOOD.but(after=int(NOW.timestamp()) + 1), "it is not valid yet"),
    "ends before it begins": (GOOD.but(after=END, before=BEGIN), "it is never valid"),
    "for ever": (GOOD.but(after=0, before=(1 << 64) - 1), "it lives longer than 30 days"),
    "31 days": (GOOD.but(before=BEGIN + 31 * 86400), "it lives longer than 30 days"),
    "beyond the calendar": (GOOD.but(after=(1 << 64) - 3600, before=(1 << 64) - 1), "a time no calendar has"),
    "empty principals": (GOOD.but(principals=()), "it has no principals"),
    "wildcard principal": (GOOD.but(principals=(b"*",)), r"its principal '\*' is a wildcard"),
    "wildcard beside the role": (
        GOOD.but(principals=(b"technician", b"tech*")),
        r"its principal 'tech\*' is a wildcard",
    ),
    "negated principal": (GOOD.but(principals=(b"!reviewer",)), "is a wildcard"),
    "empty principal": (GOOD.but(principals=(b"",)), "its principal '' is not a role"),
    "no role": (GOOD.but(principals=(b"root",)), "its principal 'root' is not a role"),
    "capital role": (GOOD.but(principals=(b"Technician",)), "is not a role"),
    "no text": (GOOD.but(principals=(b"\xff",)), "is not a role"),
    "other role": (GOOD.but(principals=(b"reviewer",)), "it is for reviewer, not for technician"),
    "force-command": (GOOD.but(critical=((b"force-command", b"true"),)), "critical option, which .*: force-command"),
    "source-address": (GOOD.but(critical=((b"source-address", b"::/0"),)), "critical option, which .*: source-address"),
    "unknown critical option": (GOOD.but(critical=((b"x@example.com", b""),)), "critical option, .*: x@example.com"),
    "revoked": (GOOD.but(serial=13), "it is revoked: serial 13"),
    "no name": (GOOD.but(name=b""), "its name is empty"),
    "name with a control character": (GOOD.but(name=b"Alice\x1b[2J"), "not printable"),
    "name that hides its direction": (GOOD.but(name="Alice\u202e".encode()), "not printable"),
    "endless name": (GOOD.but(name=b"A" * 129), "too long"),
    "name is no text": (GOOD.but(name=b"\xff\xfe"), "its name is not text"),
    "bytes after the end": (GOOD.but(tail=b"x"), "it cannot be read"),
    "options out of order": (GOOD.but(extensions=((b"b", b""), (b"a", b""))), "it cannot be read"),
    "option twice": (GOOD.but(extensions=((b"a", b""), (b"a", b""))), "it cannot be read"),
    "broken signature": (GOOD.but(signature=b"\0\0\0\x0bssh-ed25519" + b"\0\0\0\x40" + bytes(64)), "does not hold"),
    "CA key is damaged": (GOOD.but(signer=b"\0\0\0\x0bssh-ed25519\0\0\0\x01x"), "its CA key is not accepted"),
    "CA key without a type": (GOOD.but(signer=b"\0\0"), "it cannot be read"),
}


def check(line: str, *, ca: str = CA_LINE, role: str = "technician", now: datetime = NOW) -> None:
    check_certificate(line, ca_line=ca, now=now, role=role, revoked=(13,))


def refusal(line: str, **choices: str) -> str:
    with pytest.raises(VerificationError) as caught:
        check(line, **choices)  # type: ignore[arg-type]  # only strings are chosen
    assert caught.value.where == "certificate"
    return caught.value.message


def test_the_certificate_the_corpus_starts_from_is_good() -> None:
    check(GOOD.line())
    check(certificate())


@pytest.mark.parametrize("fault", CORPUS)
def test_a_certificate_with_a_fault_is_refused_by_name(fault: str) -> None:
    raw, sentence = CORPUS[fault]
    with pytest.raises(VerificationError, match=sentence):
        check(raw.line())


def test_every_fault_has_a_sentence_of_its_own() -> None:
    names = ["nested", "other CA", "host certificate", "expired", "future", "empty principals", "wildcard principal"]
    names += ["unknown critical option", "revoked", "other role", "for ever", "broken signature"]
    assert len({refusal(CORPUS[name][0].line()).split(":")[1] for name in names}) == len(names)


def test_a_sha1_signature_of_an_rsa_ca_is_refused_and_a_sha512_one_holds() -> None:
    ca_line = keys.public_line(RSA_CA)
    check(GOOD.but(ca=RSA_CA).line(), ca=ca_line)
    assert "SHA-1" in refusal(GOOD.but(ca=RSA_CA, sha1=True).line(), ca=ca_line)


def test_a_short_rsa_key_is_not_certified() -> None:
    short = keys.line_of(rsa.generate_private_key(public_exponent=65537, key_size=1024).public_key())
    assert "1024 bits" in refusal(GOOD.but(key_line=short).line())


def test_a_plain_key_and_a_certificate_as_ca_are_refused() -> None:
    assert "plain public key, not a certificate" in refusal(ALICE_LINE)
    assert "no plain public key" in refusal(GOOD.line(), ca=certificate())
    assert "cannot be read" in refusal("ssh-ed25519-cert-v01@openssh.com AAAA")


def test_a_hardware_keys_certificate_never_passes_for_one_of_the_plain_key_inside() -> None:
    kind = b"sk-ssh-ed25519@openssh.com"
    inner = string(kind) + keys.blob_of(ALICE_LINE)[15:] + string(b"ssh:")
    line = f"{kind.decode()} {base64.b64encode(inner).decode()}"
    assert "not accepted" in refusal(GOOD.but(key_line=line).line())


# --- the same by stock ssh-keygen ---------------------------------------------------------------------


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    for name in ("ca", "other", "alice"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / name], check=True)
    return tmp_path


def keygen(desk: Path, *options: str, ca: str = "ca") -> str:
    argv = ["ssh-keygen", "-q", "-s", str(desk / ca), "-I", "Alice Example", *options, str(desk / "alice.pub")]
    subprocess.run(argv, check=True, capture_output=True)
    return (desk / "alice-cert.pub").read_text()


BY_KEYGEN: dict[str, tuple[tuple[str, ...], str, str]] = {
    "good": (("-n", "technician", "-V", "+1h", "-z", "3"), "ca", ""),
    "two roles": (("-n", "technician,reviewer", "-V", "+1h"), "ca", ""),
    "other CA": (("-n", "technician", "-V", "+1h"), "other", "signed by another CA"),
    "host": (("-h", "-n", "technician", "-V", "+1h"), "ca", "host certificate"),
    "no principals": (("-V", "+1h"), "ca", "no principals"),
    "wildcard": (("-n", "*", "-V", "+1h"), "ca", "wildcard"),
    "for ever": (("-n", "technician"), "ca", "longer than 30 days"),
    "expired": (("-n", "technician", "-V", "-2h:-1h"), "ca", "it expired"),
    "future": (("-n", "technician", "-V", "+1h:+2h"), "ca", "not valid yet"),
    "force-command": (("-n", "technician", "-V", "+1h", "-O", "force-command=true"), "ca", "force-command"),
    "unknown option": (("-n", "technician", "-V", "+1h", "-O", "critical:x@example.com"), "ca", "x@example.com"),
    "revoked": (("-n", "technician", "-V", "+1h", "-z", "13"), "ca", "revoked"),
}


@pytest.mark.parametrize("case", BY_KEYGEN)
def test_what_stock_ssh_keygen_signs_is_judged_alike(desk: Path, case: str) -> None:
    options, ca, sentence = BY_KEYGEN[case]
    line = keygen(desk, *options, ca=ca)
    known, now = (desk / "ca.pub").read_text(), datetime.now(UTC) + timedelta(seconds=1)
    if not sentence:
        check(line, ca=known, now=now)
        return
    with pytest.raises(VerificationError, match=sentence):
        check(line, ca=known, now=now)


def test_stock_ssh_keygen_reads_what_we_issue(tmp_path: Path) -> None:
    (tmp_path / "alice-cert.pub").write_text(certificate(CA))
    shown = subprocess.run(
        ["ssh-keygen", "-Lf", tmp_path / "alice-cert.pub"], check=True, capture_output=True, text=True
    ).stdout
    assert "user certificate" in shown
    assert 'Key ID: "Alice Example"' in shown
    assert "Serial: 7" in shown
    assert keys.fingerprint(CA_LINE) in shown
    assert "technician" in shown
