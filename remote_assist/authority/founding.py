"""Founding an authority: its key, the first reviewers' key and the first lists, all there or nothing there."""

import shutil
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

from remote_assist.authority.folder import LISTS, AuthorityFolder, write_public
from remote_assist.core.identity.lists import PacksList, ReviewerKey, ReviewersList, RevocationsList, kind_of, sign_list
from remote_assist.core.records import format_time
from remote_assist.core.signing import keys
from remote_assist.core.signing.reviewer_keys import reviewer_key_file, reviewer_public, reviewer_public_file
from remote_assist.errors import ContentError
from remote_assist.transport.private_files import make_private_folder, sync_folder, write_private

REVIEWERS_LIFE = timedelta(days=365)
"""How long a reviewers' list holds; every change and, in its second half, every adopt renews it."""


def found_authority(path: Path, *, now: datetime, entropy: Callable[[int], bytes]) -> AuthorityFolder:
    """Make an authority in `path`, which must not exist or be empty. Raises ContentError."""
    path = path.resolve()
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise ContentError(f"{path} is not empty", advice="Choose a new folder; an authority is never overwritten.")
    beside = path.with_name(f".{path.name}.{entropy(6).hex()}.new")
    make_private_folder(beside)
    try:
        _fill(beside, now, entropy)
        if path.exists():
            path.rmdir()
        beside.rename(path)
    except BaseException:
        shutil.rmtree(beside, ignore_errors=True)
        raise
    sync_folder(path.parent)
    return AuthorityFolder(path)


def _fill(folder: Path, now: datetime, entropy: Callable[[int], bytes]) -> None:
    ca_key = keys.new_key(entropy(32))
    private = entropy(32)
    write_private(folder / "ca", keys.private_bytes(ca_key))
    write_public(folder / "ca.pub", keys.public_line(ca_key).encode("ascii") + b" remote-assist CA\n")
    write_private(folder / "reviewers-1.key", reviewer_key_file(private))
    write_public(folder / "reviewers-1.pub", reviewer_public_file(reviewer_public(private)))
    write_private(folder / "issued.jsonl", b"")
    make_private_folder(folder / LISTS)
    issued = format_time(now)
    first = ReviewerKey(id="reviewers-1", public=reviewer_public(private))
    for body in (
        ReviewersList(number=1, keys=(first,), issued=issued, expires=format_time(now + REVIEWERS_LIFE)),
        PacksList(number=1, keys=(), issued=issued),
        RevocationsList(number=1, serials=(), issued=issued),
    ):
        write_public(folder / LISTS / f"{kind_of(body)}.json", sign_list(ca_key, body))
