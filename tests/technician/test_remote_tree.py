"""What a walk takes of a folder: files and folders with plain names, within limits; everything else is named."""

from collections.abc import Sequence

import pytest

from remote_assist.core.file_batch import MAX_FILE_BYTES, MAX_NAMED, FolderLimits
from remote_assist.core.requests import Entry
from remote_assist.errors import AssistError, RefusedError, UnreachableError, UsageError
from remote_assist.technician.files import FolderListing
from remote_assist.technician.remote_tree import RemoteTree, walk


class Listed:
    """A machine as its listings show it: path → entries, or the error that comes instead."""

    def __init__(self, **folders: list[Entry] | AssistError) -> None:
        self.asked: list[int] = []
        self.found = {path.replace("_", "/").encode(): one for path, one in folders.items()}
        self.truncated = False

    async def folder(self, path: bytes) -> FolderListing:
        found = self.found.get(path, AssistError("there is nothing"))
        if isinstance(found, AssistError):
            raise found
        return FolderListing(tuple(found), self.truncated)

    async def folders(
        self, root: bytes, names: Sequence[bytes], max_entries: int
    ) -> Sequence[FolderListing | RefusedError]:
        self.asked.append(len(names))
        answers: list[FolderListing | RefusedError] = []
        for name in names:
            try:
                answers.append(await self.folder(root + b"/" + name))
            except RefusedError as error:
                answers.append(error)
        return answers


def entry(name: bytes, kind: str = "file", size: int = 1) -> Entry:
    return Entry(name=name, kind=kind, size=size, mode=0o644, modified=1.5)


async def walked(listed: Listed, limits: FolderLimits | None = None, *, folds_case: bool = False) -> RemoteTree:
    return await walk(listed, b"/r", limits or FolderLimits(), folds_case=folds_case)


async def test_folders_are_walked_and_what_is_no_file_is_named() -> None:
    below = [entry(b"b"), entry(b"l", "link"), entry(b"p", "other")]
    tree = await walked(Listed(_r=[entry(b"a"), entry(b"d", "folder")], _r_d=below))
    assert [(one.path, one.size, one.modified) for one in tree.files] == [(b"a", 1, 1.5), (b"d/b", 1, 1.5)]
    assert tree.folders == [b"d"]
    assert [(one.path, one.reason, one.harmless) for one in tree.left_out] == [
        (b"d/l", "link", True),
        (b"d/p", "not-a-file", True),
    ]


@pytest.mark.parametrize(
    "name", [b"../../etc/passwd", b"/etc/passwd", b"..", b".", b"", b"back\\slash", b"esc\x1b[2J", b"x" * 250]
)
async def test_a_name_that_could_mean_another_place_is_left_out(name: bytes) -> None:
    for kind in ("file", "folder"):
        tree = await walked(Listed(_r=[entry(name, kind), entry(b"a")]))
        assert [one.path for one in tree.files] == [b"a"]
        assert [(one.reason, one.harmless) for one in tree.left_out] == [("bad-name", False)]


async def test_names_that_are_one_name_here_are_taken_once() -> None:
    names = Listed(_r=[entry(b"README"), entry(b"readme"), entry("é".encode()), entry("e\u0301".encode())])
    assert len((await walked(names)).files) == 4
    assert [one.path for one in (await walked(names, folds_case=True)).files] == [b"README", "é".encode()]


async def test_a_file_is_not_taken_under_the_name_of_an_unfinished_one() -> None:
    unfinished = [entry(b".remote-assist.part"), entry(b".big.part")]
    tree = await walked(Listed(_r=[*unfinished, entry(b"big", size=MAX_FILE_BYTES + 1)]))
    assert [one.path for one in tree.files] == [b"big"]


async def test_a_folder_that_cannot_be_listed_is_named_and_the_end_of_a_session_ends_the_walk() -> None:
    root = [entry(b"d", "folder"), entry(b"a")]
    shut = await walked(Listed(_r=root, _r_d=RefusedError("it may not be reached", reason="failed")))
    assert [(one.path, one.reason, one.harmless) for one in shut.left_out] == [(b"d", "failed", False)]
    assert len(shut.files) == 1
    with pytest.raises(UnreachableError):
        await walked(Listed(_r=root, _r_d=UnreachableError("gone")))


async def test_a_thousand_folders_are_listed_by_one_request() -> None:
    listed = Listed(_r=[entry(b"%d" % number, "folder") for number in range(MAX_NAMED + 1)])
    listed.found |= {b"/r/%d" % number: [] for number in range(MAX_NAMED + 1)}
    assert len((await walked(listed)).folders) == MAX_NAMED + 1
    assert listed.asked == [MAX_NAMED, 1]


async def test_more_than_the_limits_is_refused_and_a_cut_listing_is_said() -> None:
    listed = Listed(_r=[entry(b"a"), entry(b"b"), entry(b"c")])
    for limits in (FolderLimits(files=2), FolderLimits(size_bytes=2)):
        with pytest.raises(RefusedError, match="nothing was fetched"):
            await walked(listed, limits)
    listed.truncated = True
    assert [one.reason for one in (await walked(listed)).left_out] == ["too-many"]


async def test_a_file_is_told_from_a_folder_that_holds_one_of_its_name() -> None:
    with pytest.raises(UsageError, match="is a file"):
        await walked(Listed(_r=[entry(b"r")]))
    assert len((await walked(Listed(_r=[entry(b"r")], _r_r=[entry(b"r")]))).files) == 1
