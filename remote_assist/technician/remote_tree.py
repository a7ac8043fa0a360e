"""What is in a folder of the customer, all the way down, as their agent lists it: what to fetch and what not.

Rule 1: a link is never followed, a name that could mean another place here is never used; both are left out and named.
Rule 2: more than the limits is refused before anything is fetched.
"""

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from remote_assist.core.file_batch import MAX_FILE_BYTES, MAX_NAMED, MAX_NAMED_BYTES, FolderLimits, named_bytes
from remote_assist.core.hostile import safe_text
from remote_assist.core.requests import Entry
from remote_assist.errors import AssistError, RefusedError, UsageError
from remote_assist.technician.files import FolderListing
from remote_assist.technician.names import local_name

LINK, NOT_A_FILE, BAD_NAME, EXISTS, TOO_MANY = "link", "not-a-file", "bad-name", "exists", "too-many"

PART = ".remote-assist.part"
"""Name of a file that is being written here; no file of the customer's may have it."""


class Lister(Protocol):
    """Who asks the agent."""

    async def folder(self, path: bytes) -> FolderListing:
        """Entries of a folder, or the one file named."""

    async def folders(
        self, root: bytes, names: Sequence[bytes], max_entries: int
    ) -> Sequence[FolderListing | RefusedError]:
        """Entries of folders below `root`, or why one of them is not listed."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A file to fetch. `path` is below the folder; size and time (seconds since the epoch) are as listed."""

    path: bytes
    size: int
    modified: float


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Something that is not fetched. `reason` is a stable word, `sentence` is for people; both are hostile.

    `harmless`: listed as what has no content to fetch, a link or a pipe.
    """

    path: bytes
    reason: str
    sentence: str
    harmless: bool = False


@dataclass(slots=True)
class RemoteTree:
    """What a walk found, folders before what is in them."""

    files: list[Wanted] = field(default_factory=list)
    folders: list[bytes] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    size: int = 0


async def walk(lister: Lister, root: bytes, limits: FolderLimits, *, folds_case: bool) -> RemoteTree:
    """List `root`, then the folders below it, level by level, up to a thousand by one action.

    `folds_case`: names that differ in case only are one name here. Raises RefusedError (beyond the limits, consent),
    UsageError (`root` is a file), AssistError.
    """
    tree = RemoteTree()
    listing = await lister.folder(root)
    await _check_folder(lister, root, listing)
    _add(tree, b"", listing, folds_case)
    listed = 0
    while listed < len(tree.folders):
        _check_limits(tree, limits, root)
        some = _named_together(tree.folders[listed : listed + MAX_NAMED], root)
        for folder, found in zip(some, await lister.folders(root, some, limits.files), strict=True):
            if isinstance(found, RefusedError):
                tree.left_out.append(LeftOut(folder, found.reason, found.message))
            else:
                _add(tree, folder, found, folds_case)
        listed += len(some)
    _check_limits(tree, limits, root)
    return tree


def _named_together(folders: list[bytes], root: bytes) -> list[bytes]:
    """As many of the first as one intent may name."""
    left = MAX_NAMED_BYTES
    some: list[bytes] = []
    for folder in folders:
        left -= named_bytes(b"%s/%s" % (root.rstrip(b"/"), folder))
        if left < 0 and some:
            break
        some.append(folder)
    return some


def _add(tree: RemoteTree, folder: bytes, listing: FolderListing, folds_case: bool) -> None:
    if listing.truncated:
        tree.left_out.append(LeftOut(folder, TOO_MANY, "it holds more names than an agent lists"))
    for entry in _usable(listing, folder, tree, folds_case):
        path = _joined(folder, entry.name)
        if entry.kind == "folder":
            tree.folders.append(path)
        else:
            tree.files.append(Wanted(path, max(0, entry.size), entry.modified))
            tree.size += max(0, entry.size)


async def _check_folder(lister: Lister, root: bytes, listing: FolderListing) -> None:
    """A file is listed as itself, just as a folder that holds one file of its own name."""
    name = root.rstrip(b"/").rpartition(b"/")[2]
    if [(one.name, one.kind) for one in listing.entries] != [(name, "file")]:
        return
    try:
        await lister.folder(_joined(root.rstrip(b"/"), name))
    except AssistError as error:
        raise UsageError(f"{safe_text(root)} is a file", advice="Leave -r out.") from error


def _usable(listing: FolderListing, folder: bytes, tree: RemoteTree, folds_case: bool) -> Iterator[Entry]:
    """Files and folders whose names can be used here, each name once."""
    taken = {b".%s.part" % one.name for one in listing.entries if one.kind == "file" and one.size > MAX_FILE_BYTES}
    taken.add(PART.encode())
    seen: set[bytes | str] = set()
    for entry in listing.entries:
        path = _joined(folder, entry.name)
        key = _folded(entry.name) if folds_case else entry.name
        if fault := _fault(entry, key in seen, entry.name in taken):
            tree.left_out.append(LeftOut(path, *fault, harmless=fault[0] in {LINK, NOT_A_FILE}))
            continue
        seen.add(key)
        yield entry


def _fault(entry: Entry, seen: bool, taken: bool) -> tuple[str, str] | None:
    """Reason and sentence why an entry is left out."""
    if b"/" in entry.name:
        return BAD_NAME, "the name leads elsewhere"
    if entry.kind == "link":
        return LINK, "a link; links are not followed"
    if entry.kind not in {"file", "folder"}:
        return NOT_A_FILE, "neither a file nor a folder"
    if seen:
        return BAD_NAME, "another name in this folder is the same here"
    if taken:
        return BAD_NAME, "an unfinished file would have this name"
    try:
        local_name(entry.name)
    except RefusedError as error:
        return BAD_NAME, error.message
    return None


def _folded(name: bytes) -> str:
    return unicodedata.normalize("NFC", name.decode("utf-8", "surrogateescape")).casefold()


def _joined(folder: bytes, name: bytes) -> bytes:
    return b"%s/%s" % (folder, name) if folder or name.startswith(b"/") else name


def _check_limits(tree: RemoteTree, limits: FolderLimits, root: bytes) -> None:
    if len(tree.files) + len(tree.folders) + len(tree.left_out) > limits.files:
        raise RefusedError(
            f"{safe_text(root)} holds more than {limits.files:,} files and folders; nothing was fetched",
            reason=TOO_MANY,
            advice="Name a smaller folder, or allow more with --max-files.",
        )
    if tree.size > limits.size_bytes:
        raise RefusedError(
            f"{safe_text(root)} holds more than {limits.size_bytes:,} bytes; nothing was fetched",
            reason=TOO_MANY,
            advice="Name a smaller folder, or allow more with --max-bytes.",
        )
