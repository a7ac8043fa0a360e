"""Packs: which count, and every way one does not."""

import base64
import json

import pytest

from remote_assist.core.catalog.packs import (
    MAX_PACK_BYTES,
    InstalledPack,
    OpenedPack,
    Pack,
    PackTrust,
    Pin,
    build_pack,
    check_newer,
    foreign_items,
    open_pack,
    sign_pack,
)
from remote_assist.core.signing import sshsig
from remote_assist.core.signing.keys import new_key, public_line
from remote_assist.errors import RefusedError, UsageError, VerificationError

KEY, OTHER = new_key(b"k" * 32), new_key(b"o" * 32)
TRUST = PackTrust((public_line(OTHER), public_line(KEY)))
PACK = Pack(id="acme", version=3, issued="2026-11-29T10:00:00Z", files={"disks.yaml": "kind: Bundle\n"})


def signed(pack: Pack = PACK) -> bytes:
    return sign_pack(build_pack(pack), KEY)


def opened(pack: Pack = PACK) -> OpenedPack:
    return open_pack(signed(pack))


def altered(**changes: object) -> bytes:
    """The body changed after it was signed."""
    file = json.loads(signed())
    body = {**json.loads(base64.b64decode(file["body"])), **changes}
    return json.dumps({**file, "body": base64.b64encode(json.dumps(body).encode()).decode()}).encode()


def test_a_pack_signed_by_a_key_of_the_list_counts() -> None:
    assert opened().check(TRUST).startswith("SHA256:")
    assert opened().pack == PACK


@pytest.mark.parametrize(
    "raw",
    [
        build_pack(PACK),
        sign_pack(build_pack(PACK), new_key(b"x" * 32)),
        altered(version=9),
        altered(files={"a.yaml": "x"}),
    ],
    ids=["unsigned", "another key", "another version", "other files"],
)
def test_a_pack_nobody_of_the_list_signed_does_not_count(raw: bytes) -> None:
    with pytest.raises(VerificationError, match="no key of the organisation's packs' list"):
        open_pack(raw).check(TRUST)


def test_a_signature_for_another_purpose_is_none() -> None:
    body = opened().body
    forged = {"body": base64.b64encode(body).decode(), "signature": sshsig.sign(KEY, "list", body)}
    with pytest.raises(VerificationError):
        open_pack(json.dumps(forged).encode()).check(TRUST)


def test_a_revoked_pack_does_not_count_whoever_signed_it() -> None:
    with pytest.raises(VerificationError, match="was revoked"):
        opened().check(PackTrust(TRUST.keys, (opened().digest,)))


def test_without_a_list_no_pack_counts() -> None:
    with pytest.raises(VerificationError):
        opened().check(PackTrust())


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\x00" * 100,
        b"[" * 200_000,
        b'{"body": "!!", "signature": ""}',
        b'{"body": "e30=", "signature": "", "more": 1}',
        b"x" * (MAX_PACK_BYTES + 10),
        altered(id="../../etc"),
        altered(id="linux"),
        altered(version=0),
        altered(files={}),
        altered(files={"../x.yaml": "x"}),
        altered(files={"x.sh": "x"}),
        altered(more=1),
    ],
)
def test_what_is_no_pack_is_refused_with_the_reason(raw: bytes) -> None:
    with pytest.raises(VerificationError, match="this is no pack"):
        open_pack(raw)


def test_what_would_be_refused_is_not_built() -> None:
    with pytest.raises(UsageError, match="version"):
        build_pack(Pack(id="acme", version=0, issued="", files={"a.yaml": ""}))
    with pytest.raises(UsageError, match="at most"):
        build_pack(Pack(id="acme", version=1, issued="", files={"a.yaml": "x" * MAX_PACK_BYTES}))


def test_an_older_or_other_pack_of_that_version_never_comes_back() -> None:
    pin = Pin(version=3, digest=opened().digest)
    check_newer(opened(), pin)
    check_newer(opened(Pack(id="acme", version=4, issued="", files=PACK.files)), pin)
    for version, said in ((2, "the newer version 3"), (3, "another pack of the same version 3")):
        with pytest.raises(RefusedError, match=said):
            check_newer(opened(Pack(id="acme", version=version, issued="", files={"b.yaml": ""})), pin)


def test_a_pack_exchanged_after_it_was_installed_is_refused() -> None:
    pin = Pin(version=3, digest=opened().digest)
    assert InstalledPack("acme", pin, signed()).opened().pack == PACK
    other = signed(Pack(id="acme", version=3, issued="", files={"b.yaml": ""}))
    for pack in (InstalledPack("acme", pin, other), InstalledPack("else", pin, signed())):
        with pytest.raises(VerificationError, match="not the one that was installed"):
            pack.opened()
    with pytest.raises(VerificationError, match="too long"):
        InstalledPack("acme", pin, None, "it is too long").opened()


def test_items_carry_the_packs_name() -> None:
    names = {"Collector": ["acme_raid", "host"], "Fix": ["acme.fix", "linux.service.start-unit"]}
    assert foreign_items("acme", names) == ["host", "linux.service.start-unit"]
