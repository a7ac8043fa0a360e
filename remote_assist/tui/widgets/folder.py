"""One folder, ours or the customer's: a path to type, the names below it, some of them marked."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.message import Message
from textual.widgets import DataTable, Input, Static

from remote_assist.core.counted import counted
from remote_assist.core.requests import Entry
from remote_assist.tui.theme import ACCENT, BAD, FAINT, WARN
from remote_assist.tui.widgets.table import FitTable, Row
from remote_assist.tui.widgets.text import joined, shown
from remote_assist.tui.words import MAX_PATH, size

MAX_ROWS = 2000
"""Most names drawn; the rest is counted."""

KIND_WORDS = {"file": "regular files", "folder": "folders"}

WITH_TIMES = 60
"""From this width on, times are shown."""


class FolderList(Container):
    """Names are bytes and stay bytes; only their picture is text."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "mark", "mark"),
        Binding("c", "copy", "copy across"),
        Binding("v", "view", "view"),
        Binding("backspace", "up", "up", key_display="⌫", show=False),
        Binding("slash", "path", "path", key_display="/"),
    ]

    @dataclass
    class Wanted(Message):
        """List this folder."""

        folder: "FolderList"
        path: bytes

    @dataclass
    class Copied(Message):
        """Bring these files, and these folders with all below them, to the other side."""

        folder: "FolderList"
        files: Sequence[bytes]
        folders: Sequence[bytes]

    @dataclass
    class Viewed(Message):
        """Show what is in this file."""

        folder: "FolderList"
        path: bytes

    def __init__(self, title: str, start: str, kinds: Sequence[str], *, id: str | None = None) -> None:
        """`kinds`: of entries that can be copied from here."""
        super().__init__(id=id)
        self._kinds = kinds
        self._title = title
        self._start = start
        self._marked: set[bytes] = set()
        self.entries: list[Entry] = []
        """What is shown, in its order."""
        self._asked = start
        self.path = b""
        """The folder shown; empty before the first listing."""

    def compose(self) -> ComposeResult:
        yield Input(self._start, max_length=MAX_PATH)
        yield Static(classes="quiet")
        yield FitTable(("", "name", "size", ""), flexible=1)

    def on_mount(self) -> None:
        self.query_one(Input).border_title = self._title

    def focus_list(self) -> None:
        self.screen.set_focus(self.query_one(FitTable) if self.entries else self.query_one(Input))

    @property
    def is_typed_in(self) -> bool:
        """Whether a path is being typed that was not asked for yet: no answer may replace it or take its keys."""
        field = self.query_one(Input)
        return field.has_focus and field.value != self._asked

    def ask(self) -> None:
        """Ask for the folder whose path stands in the field."""
        self._asked = self.query_one(Input).value
        self.post_message(self.Wanted(self, self._asked.encode("utf-8", "surrogateescape")))

    def reload(self) -> None:
        """Ask again for the folder shown, whatever is being typed into the field meanwhile."""
        if self.path:
            self.post_message(self.Wanted(self, self.path))

    def show_folder(self, path: bytes, entries: Sequence[Entry]) -> None:
        """What `path` holds; folders first."""
        if path != self.path:
            self._marked.clear()
        self.path = path
        self.entries = sorted(entries, key=lambda entry: (entry.kind != "folder", entry.name))[:MAX_ROWS]
        if not self.is_typed_in:
            self._show_path(path.decode("utf-8", "surrogateescape"))
        hidden = len(entries) - len(self.entries)
        more = f", {hidden} more not shown" if hidden else ""
        self._count = counted(len(entries), "entry", "entries") + more
        self._draw()
        if self.entries:
            self.query_one(FitTable).move_cursor(row=0)

    def _show_path(self, path: str) -> None:
        """Of a long one the end: that is where it is."""
        field = self.query_one(Input)
        self._asked = field.value = path
        field.cursor_position = len(path)

    @on(Input.Submitted)
    def list_typed(self, submitted: Input.Submitted) -> None:
        submitted.stop()
        if submitted.value:
            self.ask()

    @on(DataTable.RowSelected)
    def enter_chosen(self, event: DataTable.RowSelected) -> None:
        event.stop()
        entry = self._chosen
        if entry is not None and (path := self._inside(entry)) is not None:
            wanted = self.Wanted(self, path) if entry.kind == "folder" else self.Viewed(self, path)
            self.post_message(wanted)

    def action_mark(self) -> None:
        entry = self._chosen
        if entry is not None and entry.kind in self._kinds:
            self._marked ^= {entry.name}
            row = self.query_one(FitTable).cursor_row
            self._draw()
            self.query_one(FitTable).move_cursor(row=min(row + 1, len(self.entries) - 1))

    def action_copy(self) -> None:
        marked = [entry for entry in self.entries if entry.name in self._marked]
        chosen = marked or [entry for entry in (self._chosen,) if entry is not None]
        if any(entry.kind not in self._kinds for entry in chosen):
            self.notify(f"Only {' and '.join(KIND_WORDS[kind] for kind in self._kinds)} are copied.", markup=False)
            return
        paths = [(entry.kind, path) for entry in chosen if (path := self._inside(entry)) is not None]
        if paths:
            self._marked.clear()
            self._draw()
            files, folders = ([path for kind, path in paths if kind == wanted] for wanted in ("file", "folder"))
            self.post_message(self.Copied(self, files, folders))

    def action_view(self) -> None:
        entry = self._chosen
        if entry is not None and entry.kind == "file" and (path := self._inside(entry)) is not None:
            self.post_message(self.Viewed(self, path))

    def action_up(self) -> None:
        above, _, _ = self.path.rstrip(b"/").rpartition(b"/")
        self.post_message(self.Wanted(self, above or b"/"))

    def action_path(self) -> None:
        self.query_one(Input).focus()

    def on_resize(self) -> None:
        if self.path:
            self._draw()

    def _draw(self) -> None:
        wide = self.size.width >= WITH_TIMES
        rows = [
            entry_row(str(at), entry, marked=entry.name in self._marked, wide=wide)
            for at, entry in enumerate(self.entries)
        ]
        self.query_one(FitTable).show_rows(rows)
        marked = f"  {len(self._marked)} marked" if self._marked else ""
        self.query_one(Static).update(joined((self._count, FAINT), (marked, WARN)))

    @property
    def _chosen(self) -> Entry | None:
        key = self.query_one(FitTable).selected
        return self.entries[int(key)] if key is not None else None

    def _inside(self, entry: Entry) -> bytes | None:
        path = child_path(self.path, entry.name)
        if len(self.entries) == 1 and entry.kind != "folder" and self.path.rpartition(b"/")[2] == entry.name:
            path = self.path  # the listing was of this one file
        if path is None:
            self.notify(
                "The agent sent a name that is no file name; it is not followed.", severity="error", markup=False
            )
        return path


def child_path(folder: bytes, name: bytes) -> bytes | None:
    """`folder`/`name`; None for a name that would lead out of the folder."""
    if name in {b"", b".", b".."} or b"/" in name or b"\x00" in name:
        return None
    return folder.rstrip(b"/") + b"/" + name


def entry_row(key: str, entry: Entry, *, marked: bool = False, wide: bool = True) -> Row:
    """One name with what is known of it."""
    folder = entry.kind == "folder"
    name = joined(shown(entry.name, ACCENT if folder else "", max_chars=300), "/" if folder else "")
    if entry.kind not in {"file", "folder"}:
        name.append_text(joined("  ", shown(entry.kind, BAD, max_chars=12)))
    length = Text("" if folder else size(entry.size), end="")
    time = _modified(entry.modified) if wide else Text(end="")
    return Row(key, (joined(("●" if marked else " ", WARN)), name, length, time))


def _modified(seconds: float) -> Text:
    try:
        moment = datetime.fromtimestamp(seconds, UTC).astimezone()
    except (OverflowError, ValueError, OSError):
        return Text("?", FAINT, end="")
    return Text(f"{moment:%Y-%m-%d %H:%M}", FAINT, end="")
