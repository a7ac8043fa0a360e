"""Whose keys count: adding to and taking from the reviewers' and packs' lists, and adopting a relay."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import msgspec

from remote_assist.authority.folder import LISTS, AuthorityFolder, read_bytes, read_text, write_public
from remote_assist.authority.founding import REVIEWERS_LIFE
from remote_assist.core.identity.lists import (
    KINDS,
    MAX_COSIGNERS,
    MAX_LIST_BYTES,
    OrganisationList,
    PacksList,
    ReviewerKey,
    ReviewersList,
    open_adopt_request,
)
from remote_assist.core.records import format_time
from remote_assist.core.signing import keys
from remote_assist.core.signing.keys import PrivateKey
from remote_assist.core.signing.reviewer_keys import (
    load_reviewer_public,
    reviewer_key_file,
    reviewer_public,
    reviewer_public_file,
)
from remote_assist.errors import ContentError, RefusedError, UsageError
from remote_assist.transport.private_files import write_private

REQUEST = "adopt-request"
"""The file a relay leaves in its data folder."""


@dataclass(frozen=True, slots=True)
class Adopted:
    """What `adopt` did. `renamed_from` is the organisation's name before, when it changed."""

    organisation: str
    fingerprint: str
    out: Path
    numbers: dict[str, int]
    renamed_from: str = ""


def adopt(folder: AuthorityFolder, request: Path, out: Path | None, *, now: datetime) -> Adopted:
    """Vouch for a relay's name and log key, and give it (or `out`) ca.pub and the newest lists.

    Raises VerificationError (the request is not signed by its log key), RefusedError (it is another CA's relay).
    """
    source = request / REQUEST if request.is_dir() else request
    target = out or (request if request.is_dir() else None)
    if target is None:
        raise UsageError("a request file needs -o OUT", advice="OUT is the folder that the relay's operator gets.")
    raw = _read_request(source)
    asked = open_adopt_request(raw)
    name, log_key = asked.organisation, asked.log_key
    _check_not_anothers(target, folder.ca_line)
    with folder.change() as ca_key:
        before = folder.organisation()
        _vouch(folder, ca_key, before, name, log_key, asked.cosigner, now)
        _renew_reviewers(folder, ca_key, now)
    numbers = _copy(folder, target)
    renamed = before.name if before is not None and before.name != name else ""
    return Adopted(name, keys.fingerprint(log_key), target, numbers, renamed)


def add_reviewer(folder: AuthorityFolder, public_file: Path, *, now: datetime) -> str:
    """Add the X25519 public key of a PEM file; the id it got. Raises ContentError, UsageError."""
    try:
        public = load_reviewer_public(read_bytes(public_file, keys.MAX_LINE_CHARS))
    except FileNotFoundError as error:
        raise UsageError(f"there is no file {public_file}") from error
    with folder.change() as ca_key:
        return _add_reviewer(folder, ca_key, public, now)


def new_reviewer(folder: AuthorityFolder, *, now: datetime, entropy: Callable[[int], bytes]) -> Path:
    """Make a reviewers' key here and add it; the file to hand to the reviewers."""
    private = entropy(32)
    with folder.change() as ca_key:
        name = _next_id(folder)
        path = folder.path / f"{name}.key"
        write_private(path, reviewer_key_file(private), replace=False)
        _add_reviewer(folder, ca_key, reviewer_public(private), now)
    return path


def remove_reviewer(folder: AuthorityFolder, reviewer: str, *, now: datetime) -> None:
    """Take a key off the list: nothing new is sealed to it; what it could open before, it still can."""
    with folder.change() as ca_key:
        before = folder.reviewers()
        kept = tuple(key for key in before.keys if key.id != reviewer)
        if len(kept) == len(before.keys):
            raise UsageError(f"there is no reviewers' key '{reviewer}'", advice=_ids(before))
        if not kept:
            raise UsageError("this is the last reviewers' key", advice="Add another one first: --new or --add.")
        _write_reviewers(folder, ca_key, kept, now)


def add_pack_key(folder: AuthorityFolder, public_file: Path, *, now: datetime) -> str:
    """Let the key of a .pub file sign catalog packs; its fingerprint."""
    line = keys.load_public(read_text(public_file))
    with folder.change() as ca_key:
        before = folder.packs()
        if line not in before.keys:
            folder.write_list(ca_key, _next_packs(before, now, keys=(*before.keys, line)))
    return keys.fingerprint(line)


def remove_pack_key(folder: AuthorityFolder, public_file: Path, *, now: datetime) -> str:
    """Take a key off the packs' list; its fingerprint."""
    line = keys.load_public(read_text(public_file))
    with folder.change() as ca_key:
        before = folder.packs()
        if line not in before.keys:
            raise UsageError(f"{keys.fingerprint(line)} is not on the packs' list")
        kept = tuple(key for key in before.keys if key != line)
        folder.write_list(ca_key, _next_packs(before, now, keys=kept))
    return keys.fingerprint(line)


def revoke_pack(folder: AuthorityFolder, digest: str, *, now: datetime) -> None:
    """Let one pack (its SHA-256) count no more, whoever signed it."""
    if not re.fullmatch(r"[0-9a-f]{64}", digest):
        raise UsageError("a pack is named by its SHA-256", advice="`remote-assist kb pack list` shows it.")
    with folder.change() as ca_key:
        before = folder.packs()
        if digest not in before.revoked:
            folder.write_list(ca_key, _next_packs(before, now, revoked=(*before.revoked, digest)))


def _next_packs(before: PacksList, now: datetime, **changes: tuple[str, ...]) -> PacksList:
    return msgspec.structs.replace(before, number=before.number + 1, issued=format_time(now), **changes)


def _read_request(path: Path) -> bytes:
    try:
        return read_bytes(path, MAX_LIST_BYTES)
    except FileNotFoundError as error:
        raise UsageError(
            f"there is no request of a relay: {path}", advice="Make it first: remote-assist-relay init --data DIR."
        ) from error


def _check_not_anothers(target: Path, ca_line: str) -> None:
    if (target / "ca.pub").exists() and keys.load_public(read_text(target / "ca.pub")) != ca_line:
        raise RefusedError(
            "this relay was adopted by another CA",
            reason="other-ca",
            advice="If that is meant, remove ca.pub and lists from its data folder first.",
        )


def _vouch(
    folder: AuthorityFolder,
    ca_key: PrivateKey,
    before: OrganisationList | None,
    name: str,
    log_key: str,
    cosigner: str,
    now: datetime,
) -> None:
    """Keys are only ever added: acknowledgements and checkpoints of earlier ones must still verify."""
    known, cosigners = (before.log_keys, before.cosigners) if before is not None else ((), ())
    if before is not None and before.name == name and log_key in known and cosigner in ("", *cosigners):
        return
    body = OrganisationList(
        number=(before.number if before is not None else 0) + 1,
        name=name,
        log_keys=tuple(dict.fromkeys((*known, log_key))),
        issued=format_time(now),
        cosigners=tuple(dict.fromkeys((*cosigners, *filter(None, [cosigner]))))[-MAX_COSIGNERS:],
    )
    folder.write_list(ca_key, body)


def _renew_reviewers(folder: AuthorityFolder, ca_key: PrivateKey, now: datetime) -> None:
    before = folder.reviewers()
    if now + REVIEWERS_LIFE / 2 > datetime.fromisoformat(before.expires):
        _write_reviewers(folder, ca_key, before.keys, now)


def _copy(folder: AuthorityFolder, target: Path) -> dict[str, int]:
    """Lists first, ca.pub last: a relay that sees its CA finds everything else there."""
    (target / LISTS).mkdir(parents=True, exist_ok=True)
    numbers: dict[str, int] = {}
    bodies = (folder.organisation(), folder.reviewers(), folder.packs(), folder.revocations())
    for kind, body in zip(KINDS, bodies, strict=True):
        raw = folder.list_bytes(kind)
        if raw is None or body is None:
            raise ContentError(f"the {kind} list is not in the authority's folder")
        write_public(target / LISTS / f"{kind}.json", raw)
        numbers[kind] = body.number
    write_public(target / "ca.pub", f"{folder.ca_line} remote-assist CA\n".encode("ascii"))
    return numbers


def _add_reviewer(folder: AuthorityFolder, ca_key: PrivateKey, public: bytes, now: datetime) -> str:
    before = folder.reviewers()
    for key in before.keys:
        if key.public == public:
            raise UsageError(f"this key is on the list already, as {key.id}")
    name = _next_id(folder)
    write_public(folder.path / f"{name}.pub", reviewer_public_file(public))
    _write_reviewers(folder, ca_key, (*before.keys, ReviewerKey(id=name, public=public)), now)
    return name


def _write_reviewers(
    folder: AuthorityFolder, ca_key: PrivateKey, reviewers: tuple[ReviewerKey, ...], now: datetime
) -> None:
    body = ReviewersList(
        number=folder.reviewers().number + 1,
        keys=reviewers,
        issued=format_time(now),
        expires=format_time(now + REVIEWERS_LIFE),
    )
    folder.write_list(ca_key, body)


def _next_id(folder: AuthorityFolder) -> str:
    """The next reviewers-N. The .pub files of all keys ever added stay, so no id is given twice."""
    names = [key.id for key in folder.reviewers().keys] + [path.stem for path in folder.path.glob("reviewers-*.pub")]
    numbers = [int(found[1]) for name in names if (found := re.fullmatch(r"reviewers-([0-9]{1,6})", name))]
    return f"reviewers-{max(numbers, default=0) + 1}"


def _ids(body: ReviewersList) -> str:
    return f"On the list: {', '.join(key.id for key in body.keys)}."
