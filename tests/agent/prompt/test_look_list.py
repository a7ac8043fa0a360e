"""The list of what a look reads: every row can be reached, and striking one strikes the item it belongs to."""

from remote_assist.agent.prompt.columns import cells
from remote_assist.agent.prompt.look_list import ROWS, LookList
from remote_assist.core.catalog.preview import PreviewItem
from remote_assist.diagnostics.catalog_loader import load_catalog
from remote_assist.diagnostics.preview import preview

LONG = "$ " + "word " * 30
ITEMS = (
    PreviewItem("cpu", "Processors", "none", ("/proc/stat", "$ nproc", LONG)),
    PreviewItem("users", "Accounts", "medium", ("/etc/passwd",)),
)


def press(listing: LookList, *keys: str) -> LookList:
    for key in keys:
        listing = listing.after_key(key)
    return listing


def test_it_shows_items_with_what_they_read_and_whether_they_are() -> None:
    lines = press(LookList(ITEMS), "n", " ").lines(42)
    assert "row 5 of 6, 1 struck" in lines[0]
    assert lines[2:8] == [
        " [x] Processors (none)",
        "       /proc/stat",
        "       $ nproc",
        *(line for line in lines[5:6] if line.endswith("…") and cells(line) == 72),
        ">[ ] Accounts (medium)",
        "       /etc/passwd",
    ]
    assert "42 s" in lines[-1]


def test_a_row_under_the_cursor_is_shown_whole() -> None:
    assert LONG.strip() in press(LookList(ITEMS), "down", "down", "down").lines(1)[5]


def test_striking_a_command_strikes_its_item_and_striking_again_takes_it_back() -> None:
    struck = press(LookList(ITEMS), "down", "down", " ")
    assert struck.struck == {"cpu"}
    assert press(struck, "up", " ").struck == frozenset()


def test_the_cursor_stays_inside_and_next_goes_round() -> None:
    assert press(LookList(ITEMS), "up", "pageup").cursor == 0
    assert press(LookList(ITEMS), "pagedown", "down").cursor == 5
    assert press(LookList(ITEMS), "n", "n").cursor == 0
    assert press(LookList(ITEMS), "y", "x", "tab") == LookList(ITEMS)
    assert press(LookList(()), "down", " ", "n").lines(1)


def test_every_command_and_file_of_the_catalog_can_be_walked_to() -> None:
    items = tuple(preview(load_catalog(), "full", "linux"))
    listing, seen = LookList(items), set[str]()
    for _ in range(sum(1 + len(item.reads) for item in items)):
        lines = listing.lines(60)
        assert len(lines) <= ROWS + 4
        seen.add(next(line for line in lines if line.startswith(">"))[1:].strip())
        listing = listing.after_key("down")
    assert {read for item in items for read in item.reads} <= seen
