"""What the CA vouches for: four signed lists, never an older one; and a relay's request."""

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from remote_assist.core.identity.lists import (
    KINDS,
    MAX_KEYS,
    MAX_LIST_BYTES,
    MAX_SERIALS,
    AnyList,
    OrganisationList,
    PacksList,
    ReviewerKey,
    ReviewersList,
    RevocationsList,
    adopt_request,
    kind_of,
    open_adopt_request,
    open_list,
    open_lists,
    sign_list,
)
from remote_assist.core.signing import keys, sshsig
from remote_assist.core.signing.cosignature import cosigner_key
from remote_assist.core.signing.signed_note import log_origin
from remote_assist.errors import LocalProtocolError, UsageError, VerificationError
from tests.core.pairs import ALICE_LINE, CA, CA_LINE, EXPIRES, ISSUED, LOG, NOW, OTHER_CA, list_bodies, signed_lists

LOG_LINE = keys.public_line(LOG)


def refused(raw: tuple[bytes, ...], sentence: str, **choices: object) -> None:
    with pytest.raises(VerificationError, match=sentence):
        open_lists(raw, **({"ca_line": CA_LINE, "now": NOW} | choices))  # type: ignore[arg-type]  # tests choose one


def signed(body: object) -> bytes:
    """Signed by the CA as it is, whatever it says."""
    raw = body if isinstance(body, bytes) else msgspec.json.encode(body)
    return msgspec.json.encode({"body": raw, "signature": sshsig.sign(CA, "list", raw)})


def test_the_four_lists_of_a_ca_are_trusted_in_any_order() -> None:
    trusted = open_lists(tuple(reversed(signed_lists(serials=(3, 4)))), ca_line=CA_LINE, now=NOW)
    assert trusted.organisation.name == "Example Support"
    assert trusted.organisation.log_keys == (LOG_LINE,)
    assert trusted.reviewers.keys == (ReviewerKey(id="reviewers-1", public=b"\x07" * 32),)
    assert trusted.packs.keys == ()
    assert trusted.revocations.serials == (3, 4)
    assert trusted.numbers == dict.fromkeys(KINDS, 1)


def test_a_list_of_another_ca_is_refused() -> None:
    mixed = (*signed_lists()[:3], signed_lists(OTHER_CA)[3])
    refused(mixed, "signature is by another key")
    refused(signed_lists(), "by another key", ca_line=keys.public_line(OTHER_CA))


@pytest.mark.parametrize("position", range(4))
def test_a_missing_list_is_refused_by_name(position: int) -> None:
    raw = list(signed_lists())
    del raw[position]
    refused(tuple(raw), f"the {KINDS[position]} list is refused: it is missing")


@pytest.mark.parametrize("position", range(4))
def test_a_list_that_is_there_twice_is_refused_by_name(position: int) -> None:
    raw = list(signed_lists())
    raw[(position + 1) % 4] = raw[position]
    refused(tuple(raw), f"the {KINDS[position]} list is refused: it is there twice")


def test_more_than_four_lists_are_refused_unread() -> None:
    refused((b"x",) * 5, "5 lists")


@pytest.mark.parametrize("kind", KINDS)
def test_a_number_older_than_the_one_seen_is_refused(kind: str) -> None:
    floors = {kind: 5}
    refused(signed_lists(number=4), f"the {kind} list is refused: number 4 is older than number 5", floors=floors)
    assert open_lists(signed_lists(number=5), ca_line=CA_LINE, now=NOW, floors=floors).numbers[kind] == 5
    assert open_lists(signed_lists(number=6), ca_line=CA_LINE, now=NOW, floors=floors).numbers[kind] == 6


def test_an_expired_reviewers_list_is_refused_from_its_end_on() -> None:
    end = datetime(2027, 3, 1, 11, 0, tzinfo=UTC)
    assert open_lists(signed_lists(), ca_line=CA_LINE, now=end - timedelta(seconds=1))
    refused(signed_lists(), "the reviewers list is refused: it expired 2027-03-01T11:00:00Z", now=end)


BAD_BODIES: dict[str, tuple[AnyList, str]] = {
    "number 0": (PacksList(number=0, keys=(), issued=ISSUED), "its number is not positive"),
    "number beyond JSON": (PacksList(number=1 << 53, keys=(), issued=ISSUED), "its number is not positive"),
    "no time": (PacksList(number=1, keys=(), issued="yesterday"), "a time is not RFC 3339"),
    "time without zone": (PacksList(number=1, keys=(), issued="2026-03-01T11:00:00"), "a time is not RFC 3339"),
    "time in another zone": (PacksList(number=1, keys=(), issued="2026-03-01T11:00:00+01:00"), "not RFC 3339"),
    "no end": (
        ReviewersList(number=1, keys=(ReviewerKey(id="a", public=bytes(32)),), issued=ISSUED, expires=""),
        "a time is not RFC 3339",
    ),
    "no reviewer": (ReviewersList(number=1, keys=(), issued=ISSUED, expires=EXPIRES), "names none"),
    "short reviewer key": (
        ReviewersList(number=1, keys=(ReviewerKey(id="a", public=bytes(31)),), issued=ISSUED, expires=EXPIRES),
        "malformed",
    ),
    "reviewer without a name": (
        ReviewersList(number=1, keys=(ReviewerKey(id="", public=bytes(32)),), issued=ISSUED, expires=EXPIRES),
        "malformed",
    ),
    "reviewer twice": (
        ReviewersList(number=1, keys=(ReviewerKey(id="a", public=bytes(32)),) * 2, issued=ISSUED, expires=EXPIRES),
        "there twice",
    ),
    "serial twice": (RevocationsList(number=1, serials=(1, 1), issued=ISSUED), "a serial is there twice"),
    "negative serial": (RevocationsList(number=1, serials=(-1,), issued=ISSUED), "is no serial"),
    "endless serials": (
        RevocationsList(number=1, serials=tuple(range(MAX_SERIALS + 1)), issued=ISSUED),
        f"more than {MAX_SERIALS} serials",
    ),
    "key with a comment": (PacksList(number=1, keys=(f"{ALICE_LINE} alice",), issued=ISSUED), "not in its accepted"),
    "key that is none": (PacksList(number=1, keys=("x",), issued=ISSUED), "a type and a base64 text"),
    "key twice": (PacksList(number=1, keys=(ALICE_LINE,) * 2, issued=ISSUED), "or one twice"),
    "endless keys": (PacksList(number=1, keys=(ALICE_LINE,) * (MAX_KEYS + 1), issued=ISSUED), f"more than {MAX_KEYS}"),
    "no name": (OrganisationList(number=1, name="", log_keys=(LOG_LINE,), issued=ISSUED), "its name is empty"),
    "name with a control character": (
        OrganisationList(number=1, name="Example\nSupport", log_keys=(LOG_LINE,), issued=ISSUED),
        "not printable",
    ),
    "no log key": (OrganisationList(number=1, name="Example", log_keys=(), issued=ISSUED), "it names no log key"),
}


@pytest.mark.parametrize("case", BAD_BODIES)
def test_a_list_with_bad_content_is_refused_though_the_ca_signed_it_and_never_signed_by_us(case: str) -> None:
    body, sentence = BAD_BODIES[case]
    with pytest.raises(VerificationError, match=sentence):
        open_list(signed(body), ca_line=CA_LINE)
    with pytest.raises(LocalProtocolError, match=sentence):
        sign_list(CA, body)


GOOD = json.loads(signed(list_bodies()[2]))
NOT_LISTS: dict[str, bytes] = {
    "empty": b"",
    "not JSON": b"{",
    "not an object": b"[]",
    "no signature": json.dumps({"body": GOOD["body"]}).encode(),
    "field too many": json.dumps(GOOD | {"more": 1}).encode(),
    "empty body": signed(b""),
    "unknown kind": signed({"kind": "friends", "number": 1}),
    "no kind": signed({"number": 1, "keys": [], "issued": ISSUED}),
    "unknown field": signed({"kind": "packs", "number": 1, "keys": [], "issued": ISSUED, "more": 1}),
    "number as text": signed({"kind": "packs", "number": "1", "keys": [], "issued": ISSUED}),
    "body changed": json.dumps(GOOD | {"body": base64.b64encode(b"x").decode()}).encode(),
    "endless": bytes(MAX_LIST_BYTES + 2),
    "signed for something else": msgspec.json.encode(
        {"body": b"{}", "signature": sshsig.sign(CA, "pair", b"{}")},
    ),
}


@pytest.mark.parametrize("case", NOT_LISTS)
def test_what_is_no_list_is_refused(case: str) -> None:
    with pytest.raises(VerificationError):
        open_list(NOT_LISTS[case], ca_line=CA_LINE)


@given(st.binary(max_size=300))
def test_any_bytes_are_refused_as_a_list_and_as_a_request(raw: bytes) -> None:
    for call in (lambda: open_list(raw, ca_line=CA_LINE), lambda: open_adopt_request(raw)):
        with pytest.raises(VerificationError):
            call()


@given(st.data())
def test_a_list_with_any_byte_changed_is_refused(data: st.DataObject) -> None:
    raw = bytearray(signed_lists()[3].rstrip())
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(VerificationError):
        open_list(bytes(raw), ca_line=CA_LINE)


def test_every_list_knows_its_kind_and_the_fullest_lists_fit_one_message() -> None:
    assert tuple(kind_of(body) for body in list_bodies()) == KINDS
    full = RevocationsList(number=9, serials=tuple(range(10**9, 10**9 + MAX_SERIALS)), issued=ISSUED)
    assert len(sign_list(CA, full)) + sum(map(len, signed_lists()[:3])) < MAX_LIST_BYTES + 3000


# --- adoption -----------------------------------------------------------------------------------------


def test_a_request_says_who_the_relay_is_and_is_signed_by_its_log_key() -> None:
    raw = adopt_request("Example Support", LOG)
    asked = open_adopt_request(raw)
    assert (asked.organisation, asked.log_key) == ("Example Support", LOG_LINE)
    fields = json.loads(raw)
    message = b"remote-assist adopt-request/1\0Example Support\0" + LOG_LINE.encode()
    sshsig.verify(fields["signature"], LOG_LINE, "list", message)


def test_a_cosigner_stands_beside_the_log_keys_and_nothing_else_may() -> None:
    body = OrganisationList(number=1, name="Example", log_keys=(LOG_LINE,), issued=ISSUED)
    assert b"cosigners" not in open_body(sign_list(CA, body)), "a list without one reads as it always did"
    line = cosigner_key(bytes(32), log_origin(LOG_LINE)).line
    named = open_list(sign_list(CA, msgspec.structs.replace(body, cosigners=(line,))), ca_line=CA_LINE)
    assert isinstance(named, OrganisationList) and named.signing_keys == (LOG_LINE, line)
    for wrong in ((LOG_LINE,), (line, line), tuple(cosigner_key(bytes([n] * 32), "log").line for n in range(3))):
        with pytest.raises(LocalProtocolError, match="cannot be signed"):
            sign_list(CA, msgspec.structs.replace(body, cosigners=wrong))
    raw = adopt_request("Example", LOG, cosigner=line)
    asked = open_adopt_request(raw)
    assert (asked.organisation, asked.log_key, asked.cosigner) == ("Example", LOG_LINE, line)
    with pytest.raises(VerificationError, match="refused"):
        open_adopt_request(raw.replace(line[-9:].encode(), b"AAAAAAA=="))


def open_body(raw: bytes) -> bytes:
    """The signed bytes of a list file."""
    return base64.b64decode(json.loads(raw)["body"])


CHANGES: dict[str, Callable[[dict[str, str]], dict[str, str]]] = {
    "other name": lambda fields: fields | {"organisation": "Other"},
    "other key": lambda fields: fields | {"log_key": ALICE_LINE},
    "key with a comment": lambda fields: fields | {"log_key": fields["log_key"] + " x"},
    "no key": lambda fields: fields | {"log_key": "x"},
    "no signature": lambda fields: fields | {"signature": ""},
    "field missing": lambda fields: {"organisation": "Example Support"},
    "field too many": lambda fields: fields | {"more": ""},
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_request_is_refused(change: str) -> None:
    fields = CHANGES[change](json.loads(adopt_request("Example Support", LOG)))
    with pytest.raises(VerificationError, match="the relay's request is refused"):
        open_adopt_request(json.dumps(fields).encode())


@pytest.mark.parametrize("name", ["", " Example", "Example\x1b", "x" * 101])
def test_a_name_no_screen_could_show_is_refused_even_when_signed(name: str) -> None:
    with pytest.raises(UsageError):
        adopt_request(name, LOG)
    message = b"remote-assist adopt-request/1\0" + name.encode() + b"\0" + LOG_LINE.encode()
    fields = {"organisation": name, "log_key": LOG_LINE, "signature": sshsig.sign(LOG, "list", message)}
    with pytest.raises(VerificationError, match="not in the accepted form"):
        open_adopt_request(json.dumps(fields).encode())


def test_a_signed_key_in_another_form_is_refused() -> None:
    line = f"{LOG_LINE} comment"
    message = b"remote-assist adopt-request/1\0Example\0" + line.encode()
    fields = {"organisation": "Example", "log_key": line, "signature": sshsig.sign(LOG, "list", message)}
    with pytest.raises(VerificationError, match="not in the accepted form"):
        open_adopt_request(json.dumps(fields).encode())
