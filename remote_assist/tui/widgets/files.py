"""The customer's files by name: list a path, walk, get one."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.widgets import DataTable, Input, Static

from remote_assist.core.requests import Entry
from remote_assist.tui.messages import GetFile, ListFolder
from remote_assist.tui.theme import ACCENT, BAD, FAINT
from remote_assist.tui.widgets.table import FitTable, Row
from remote_assist.tui.widgets.text import joined, shown
from remote_assist.tui.words import mode_bits, size

MAX_PATH = 4096
MAX_ROWS = 2000
"""Most names drawn; the rest is counted."""


class FilesPane(Container):
    """A path to type, the entries below it. Names are bytes and stay bytes; only their picture is text."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("g", "get", "get"),
        Binding("backspace", "up", "up", key_display="⌫"),
        Binding("slash", "path", "type a path", key_display="/", show=False),
    ]

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._folder = b"/"
        self._entries: list[Entry] = []

    def compose(self) -> ComposeResult:
        yield Input("/var/log", id="path", max_length=MAX_PATH)
        yield Static(id="listed", classes="quiet")
        yield FitTable(("name", "size", "modified", "mode"), flexible=0)

    def on_mount(self) -> None:
        hint = "enter lists the path; every listing and every file is an entry in the log"
        self.query_one("#listed", Static).update(joined((hint, FAINT)))

    def focus_list(self) -> None:
        (self.query_one(FitTable) if self._entries else self.query_one(Input)).focus()

    def show_folder(self, path: bytes, entries: Sequence[Entry]) -> None:
        """What `path` holds; folders first."""
        self._folder = path
        self._entries = sorted(entries, key=lambda entry: (entry.kind != "folder", entry.name))[:MAX_ROWS]
        table = self.query_one(FitTable)
        table.show_rows([entry_row(str(number), entry) for number, entry in enumerate(self._entries)])
        hidden = len(entries) - len(self._entries)
        more = f", {hidden} more not shown" if hidden else ""
        self.query_one("#listed", Static).update(
            joined(shown(path, max_chars=300), (f"  {len(entries)} entries{more}", FAINT))
        )
        if self._entries:
            table.move_cursor(row=0)
        self.focus_list()

    @on(Input.Submitted, "#path")
    def list_typed(self, submitted: Input.Submitted) -> None:
        submitted.stop()
        if submitted.value:
            self.post_message(ListFolder(submitted.value.encode("utf-8", "surrogateescape")))

    @on(DataTable.RowSelected)
    def enter_chosen(self, event: DataTable.RowSelected) -> None:
        event.stop()
        entry = self._chosen
        if entry is not None and (path := self._inside(entry)) is not None:
            self.post_message(ListFolder(path) if entry.kind == "folder" else GetFile(path))

    def action_get(self) -> None:
        entry = self._chosen
        if entry is None:
            return
        if entry.kind != "file":
            self.notify("Only regular files can be fetched.", markup=False)
        elif (path := self._inside(entry)) is not None:
            self.post_message(GetFile(path))

    def action_up(self) -> None:
        above, _, _ = self._folder.rstrip(b"/").rpartition(b"/")
        self.post_message(ListFolder(above or b"/"))

    def action_path(self) -> None:
        self.query_one(Input).focus()

    @property
    def _chosen(self) -> Entry | None:
        key = self.query_one(FitTable).selected
        return self._entries[int(key)] if key is not None else None

    def _inside(self, entry: Entry) -> bytes | None:
        path = child_path(self._folder, entry.name)
        if len(self._entries) == 1 and entry.kind != "folder" and self._folder.rpartition(b"/")[2] == entry.name:
            path = self._folder  # the listing was of this one file
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


def entry_row(key: str, entry: Entry) -> Row:
    """One name with what is known of it."""
    folder = entry.kind == "folder"
    name = joined(shown(entry.name, ACCENT if folder else "", max_chars=300), "/" if folder else "")
    if entry.kind not in {"file", "folder"}:
        name.append_text(joined("  ", shown(entry.kind, BAD, max_chars=12)))
    length = Text("" if folder else size(entry.size), end="")
    return Row(key, (name, length, _modified(entry.modified), Text(mode_bits(entry.mode), FAINT, end="")))


def _modified(seconds: float) -> Text:
    try:
        moment = datetime.fromtimestamp(seconds, UTC).astimezone()
    except (OverflowError, ValueError, OSError):
        return Text("?", FAINT, end="")
    return Text(f"{moment:%Y-%m-%d %H:%M}", FAINT, end="")
