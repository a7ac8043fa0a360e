"""What the organisation's CA vouches for, as four numbered, signed lists; and the relay's request to be vouched for.

    file        = {"body": base64, "signature": SSHSIG list@remote-assist by the CA over the body's bytes}
    body        = {"kind": "organisation" | "reviewers" | "packs" | "revocations", "number": 1…, …}
    adopt file  = {"organisation": name, "log_key": line, "signature": SSHSIG list@remote-assist by the log key
                   over "remote-assist adopt-request/1" NUL name NUL line; with "cosigner": … NUL cosigner}

Rule 1: a list is believed because of the CA's signature, never because of who handed it over.
Rule 2: whoever has seen number N of a kind refuses every lower number.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

import msgspec

from remote_assist.core import codec
from remote_assist.core.signing import keys, sshsig
from remote_assist.core.signing.cosignature import read_cosigner
from remote_assist.core.signing.keys import PrivateKey
from remote_assist.errors import (
    AssistError,
    ContentError,
    LocalProtocolError,
    RemoteProtocolError,
    UsageError,
    VerificationError,
)

MAX_LIST_BYTES = 24 << 10
"""Longest list file: all four travel, thrice in base64, in one pairing message of 64 KiB."""

MAX_SERIALS = 1500
"""Most revoked serials listed; those whose certificates have expired need no mention any more."""

MAX_KEYS = 32
"""Most keys on one list."""

MAX_COSIGNERS = 2
"""Most cosigners' keys listed; one is 1.8 KB."""

MAX_REVOKED_PACKS = 100
"""Most revoked packs listed; versions that nobody has installed need no mention."""

MAX_ORGANISATION_CHARS = 100

KINDS = ("organisation", "reviewers", "packs", "revocations")

_ADOPT = b"remote-assist adopt-request/1\0"
_DIGEST = re.compile(r"[0-9a-f]{64}")
_REVIEWER_ID = re.compile(r"[a-z0-9][a-z0-9.-]{0,63}")


class ReviewerKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A key sealed content is wrapped to. `public`: X25519, raw 32 bytes."""

    id: str
    public: bytes


class OrganisationList(
    msgspec.Struct,
    frozen=True,
    forbid_unknown_fields=True,
    omit_defaults=True,
    tag_field="kind",
    tag="organisation",
):
    """The name screens show, and the keys whose acknowledgements count. `issued` RFC 3339 UTC.

    `cosigners`: vkeys by which the same logs sign their checkpoints as well (core/signing/cosignature.py).
    """

    number: int
    name: str
    log_keys: tuple[str, ...]
    issued: str
    cosigners: tuple[str, ...] = ()

    @property
    def signing_keys(self) -> tuple[str, ...]:
        """Everything by which the organisation's logs sign."""
        return (*self.log_keys, *self.cosigners)


class ReviewersList(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="reviewers"):
    """Who may open sealed content. After `expires` (RFC 3339 UTC) nothing new is sealed to these keys."""

    number: int
    keys: tuple[ReviewerKey, ...]
    issued: str
    expires: str


class PacksList(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, tag_field="kind", tag="packs"
):
    """Public key lines that may sign catalog packs, and the digests (SHA-256, hex) of packs that count no more."""

    number: int
    keys: tuple[str, ...]
    issued: str
    revoked: tuple[str, ...] = ()


class RevocationsList(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="revocations"):
    """Serials of certificates that count no more."""

    number: int
    serials: tuple[int, ...]
    issued: str


AnyList = OrganisationList | ReviewersList | PacksList | RevocationsList
_ListT = TypeVar("_ListT", OrganisationList, ReviewersList, PacksList, RevocationsList)


@dataclass(frozen=True, slots=True)
class TrustedLists:
    """The four lists after every check. `numbers`: kind → number, the floors for next time."""

    organisation: OrganisationList
    reviewers: ReviewersList
    packs: PacksList
    revocations: RevocationsList
    numbers: dict[str, int]


class _SignedList(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    body: bytes
    signature: str


class AdoptRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """What a relay leaves for its operator: its name, its log key's line, the vkey of its cosigner or nothing."""

    organisation: str
    log_key: str
    signature: str
    cosigner: str = ""


def kind_of(body: AnyList) -> str:
    """`organisation`, `reviewers`, `packs` or `revocations`."""
    return str(body.__struct_config__.tag)


def sign_list(ca_key: PrivateKey, body: AnyList) -> bytes:
    """The bytes of a list file. Raises LocalProtocolError for a body that `open_list` would refuse."""
    fault = _content_fault(body)
    if fault:
        raise LocalProtocolError(f"the {kind_of(body)} list cannot be signed: {fault}")
    raw = msgspec.json.encode(body)
    signed = codec.encode(_SignedList(body=raw, signature=sshsig.sign(ca_key, "list", raw)), max_bytes=MAX_LIST_BYTES)
    return signed + b"\n"


def open_list(raw: bytes, *, ca_line: str) -> AnyList:
    """One list, if the CA signed it. Raises VerificationError; expiry and floors are `open_lists`' part."""
    try:
        signed = codec.decode(raw, _SignedList, max_bytes=MAX_LIST_BYTES + 1)
        sshsig.verify(signed.signature, ca_line, "list", signed.body)
        body: AnyList = codec.decode(signed.body, AnyList, max_bytes=MAX_LIST_BYTES)  # type: ignore[arg-type]  # a union of types
    except (RemoteProtocolError, VerificationError) as error:
        raise VerificationError(
            f"a list of the organisation is refused: {error.message}",
            where="lists",
            advice="Lists must be signed by the organisation's own CA.",
        ) from error
    fault = _content_fault(body)
    if fault:
        raise _refused(kind_of(body), fault)
    return body


def open_lists(
    raw: Sequence[bytes], *, ca_line: str, now: datetime, floors: Mapping[str, int] | None = None
) -> TrustedLists:
    """The four lists, each exactly once, signed by `ca_line`, not expired, none older than its floor.

    `floors` is kind → highest number seen before. Raises VerificationError.
    """
    if len(raw) > len(KINDS):
        raise VerificationError(f"{len(raw)} lists where the organisation has {len(KINDS)}", where="lists")
    bodies: dict[str, AnyList] = {}
    for one in raw:
        body = open_list(one, ca_line=ca_line)
        kind = kind_of(body)
        if kind in bodies:
            raise _refused(kind, "it is there twice")
        if body.number < (floors or {}).get(kind, 0):
            raise _refused(kind, f"number {body.number} is older than number {(floors or {})[kind]}, seen before")
        bodies[kind] = body
    reviewers = _of_kind(bodies, ReviewersList)
    if now >= _time(reviewers.expires):
        raise _refused("reviewers", f"it expired {reviewers.expires}", "Ask your operator to renew it.")
    return TrustedLists(
        organisation=_of_kind(bodies, OrganisationList),
        reviewers=reviewers,
        packs=_of_kind(bodies, PacksList),
        revocations=_of_kind(bodies, RevocationsList),
        numbers={kind: body.number for kind, body in bodies.items()},
    )


def adopt_request(organisation: str, log_key: PrivateKey, *, cosigner: str = "") -> bytes:
    """What a new relay leaves for its operator: its name and log key, signed by that key. Raises UsageError.

    `cosigner`: the vkey that cosigns the log's checkpoints, when there is one.
    """
    if not _is_organisation(organisation):
        raise UsageError(f"an organisation's name is 1 to {MAX_ORGANISATION_CHARS} printable characters")
    line = keys.public_line(log_key)
    signature = sshsig.sign(log_key, "list", _adopt_bytes(organisation, line, cosigner))
    request = AdoptRequest(organisation=organisation, log_key=line, signature=signature, cosigner=cosigner)
    return codec.encode(request) + b"\n"


def open_adopt_request(raw: bytes) -> AdoptRequest:
    """A request whose signature holds. Raises VerificationError."""
    try:
        request = codec.decode(raw, AdoptRequest, max_bytes=MAX_LIST_BYTES)
        line = keys.load_public(request.log_key)
        covered = _adopt_bytes(request.organisation, request.log_key, request.cosigner)
        sshsig.verify(request.signature, line, "list", covered)
    except AssistError as error:
        raise VerificationError(f"the relay's request is refused: {error.message}", where="adopt-request") from error
    if line != request.log_key or not _is_organisation(request.organisation) or _cosigners_fault((request.cosigner,)):
        raise VerificationError(
            "the relay's request is refused: its name or key is not in the accepted form", where="adopt-request"
        )
    return request


def _adopt_bytes(organisation: str, line: str, cosigner: str) -> bytes:
    parts = (organisation, line, cosigner) if cosigner else (organisation, line)
    return _ADOPT + b"\0".join(part.encode("utf-8", "surrogatepass") for part in parts)


def _of_kind(bodies: Mapping[str, AnyList], kind: type[_ListT]) -> _ListT:
    for body in bodies.values():
        if isinstance(body, kind):
            return body
    name = str(kind.__struct_config__.tag)
    raise _refused(name, "it is missing", "Ask your operator to run `remote-assist ca adopt` for this relay.")


def _content_fault(body: AnyList) -> str:
    """What is wrong inside a list, or nothing."""
    if not 1 <= body.number < 1 << 53:
        return "its number is not positive"
    if isinstance(body, RevocationsList):
        return _serials_fault(body.serials) or _time_fault(body.issued)
    if isinstance(body, ReviewersList):
        return _reviewers_fault(body.keys) or _time_fault(body.issued) or _time_fault(body.expires)
    if isinstance(body, PacksList):
        return _lines_fault(body.keys) or _digests_fault(body.revoked) or _time_fault(body.issued)
    if not _is_organisation(body.name):
        return "its name is empty, too long or not printable"
    if not body.log_keys:
        return "it names no log key"
    return _lines_fault(body.log_keys) or _cosigners_fault(body.cosigners) or _time_fault(body.issued)


def _serials_fault(serials: tuple[int, ...]) -> str:
    if len(serials) > MAX_SERIALS:
        return f"it names more than {MAX_SERIALS} serials"
    if any(not 0 <= serial < 1 << 64 for serial in serials) or len(set(serials)) != len(serials):
        return "a serial is there twice or is no serial"
    return ""


def _digests_fault(digests: tuple[str, ...]) -> str:
    if len(digests) > MAX_REVOKED_PACKS or len(set(digests)) != len(digests):
        return f"it names more than {MAX_REVOKED_PACKS} packs, or one twice"
    return "" if all(_DIGEST.fullmatch(digest) for digest in digests) else "a revoked pack is no SHA-256"


def _reviewers_fault(reviewers: tuple[ReviewerKey, ...]) -> str:
    if not 1 <= len(reviewers) <= MAX_KEYS:
        return f"it names none or more than {MAX_KEYS} keys"
    if len({key.id for key in reviewers}) != len(reviewers):
        return "a reviewers' key is there twice"
    if any(len(key.public) != 32 or not _REVIEWER_ID.fullmatch(key.id) for key in reviewers):
        return "a reviewers' key is malformed"
    return ""


def _lines_fault(lines: tuple[str, ...]) -> str:
    if len(lines) > MAX_KEYS or len(set(lines)) != len(lines):
        return f"it names more than {MAX_KEYS} keys, or one twice"
    try:
        if any(keys.load_public(line) != line for line in lines):
            return "a key is not in its accepted form"
    except ContentError as error:
        return error.message
    return ""


def _cosigners_fault(lines: tuple[str, ...]) -> str:
    """An empty line stands for none."""
    if len(lines) > MAX_COSIGNERS or len(set(lines)) != len(lines):
        return f"it names more than {MAX_COSIGNERS} cosigners, or one twice"
    try:
        for line in filter(None, lines):
            read_cosigner(line)
    except ContentError as error:
        return error.message
    return ""


def _time_fault(text: str) -> str:
    try:
        _time(text)
    except ValueError:
        return "a time is not RFC 3339 in UTC"
    return ""


def _time(text: str) -> datetime:
    time = datetime.fromisoformat(text)
    if len(text) > 40 or time.tzinfo is None or time.utcoffset() != UTC.utcoffset(None):
        raise ValueError("not UTC")
    return time


def _is_organisation(name: str) -> bool:
    return 0 < len(name) <= MAX_ORGANISATION_CHARS and name.isprintable() and name == name.strip()


def _refused(kind: str, fault: str, advice: str = "") -> VerificationError:
    return VerificationError(f"the {kind} list is refused: {fault}", where=f"lists/{kind}", advice=advice)
