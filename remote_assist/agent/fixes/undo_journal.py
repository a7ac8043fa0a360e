"""What would undo a fix, on this disk before each change: one file an applied plan, beside the session's journal.

    sessions/SESSION/undo-ACTION.jsonl      0600; {"step": …, "undo": {…}} a line, then {"closed": STATUS}
                                            "on": the machine behind this one that was changed, where it was one;
                                            "root": it was done as root by an agent that is not root

Rule 1: a record is durable before its change is made. Rule 2: a file without its closing line is a half-applied fix;
the customer is asked about it: undo, or leave it as it is.
"""

import asyncio
from pathlib import Path

import msgspec

from remote_assist.errors import ContentError, RefusedError
from remote_assist.transport.private_files import append_durably, read_private

MAX_UNDO_BYTES = 64 << 20
"""Longest undo file read; a file's old content is inside."""

PREFIX, SUFFIX = "undo-", ".jsonl"

UndoRecords = list[tuple[str, dict[str, object]]]


class _Line(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    step: str = ""
    undo: dict[str, object] = {}
    closed: str = ""
    on: str = ""
    root: bool = False


class UndoFile:
    """One fix's undo records. Implements diagnostics.undo.UndoJournal."""

    def __init__(self, path: Path, place: str = "", *, as_root: bool = False) -> None:
        """`place`: the machine that is changed; empty for the agent's own, `as_root` or as the agent's user."""
        self.path = path
        self.place = place
        self.as_root = as_root
        self.records: UndoRecords = []
        self.closed = ""
        self._whole_bytes: int | None = None

    @classmethod
    def beside(cls, folder: Path, action: str, place: str = "", *, as_root: bool = False) -> "UndoFile":
        """The file of an action (`a7`) in a session's folder."""
        return cls(folder / f"{PREFIX}{action}{SUFFIX}", place, as_root=as_root)

    @classmethod
    def read(cls, path: Path) -> "UndoFile":
        """A file an earlier run left. A last line cut short is ignored: its change was never made."""
        undo = cls(path)
        raw_file = read_private(path, MAX_UNDO_BYTES)
        *lines, torn = raw_file.split(b"\n")
        undo._whole_bytes = len(raw_file) - len(torn)
        try:
            for raw in lines:
                undo._take(msgspec.json.decode(raw, type=_Line))
        except msgspec.DecodeError as error:
            raise ContentError(f"{path} is damaged: {error}", advice="Look at it before you remove it.") from error
        return undo

    @property
    def action(self) -> str:
        return self.path.name.removeprefix(PREFIX).removesuffix(SUFFIX)

    @property
    def is_open(self) -> bool:
        """Whether changes were noted and nobody has said what became of them."""
        return bool(self.records) and not self.closed

    async def note(self, step: str, undo: dict[str, object]) -> None:
        """Keep one record, durable on return. Raises RefusedError when it cannot be; then nothing may be changed."""
        await self._write(_Line(step=step, undo=undo, on=self.place, root=self.as_root))

    async def close(self, status: str) -> None:
        """Say what became of the fix: resolved, rolled-back, failed, left."""
        if self.records and not self.closed:
            await self._write(_Line(closed=status))

    async def _write(self, line: _Line) -> None:
        try:
            raw = msgspec.json.encode(line) + b"\n"
            await asyncio.to_thread(append_durably, self.path, raw, keep_bytes=self._whole_bytes)
            self._whole_bytes = None
        except OSError as error:
            raise RefusedError(
                f"what would undo the next change cannot be written down ({error.strerror}), so it is not made",
                reason="store-failed",
                advice="Free disk space on the customer's machine.",
            ) from error
        self._take(line)

    def _take(self, line: _Line) -> None:
        if line.closed:
            self.closed = line.closed
        else:
            self.records.append((line.step, line.undo))
            self.place, self.as_root = line.on, line.root


def open_undo_files(folder: Path) -> list[UndoFile]:
    """Half-applied fixes of a session, oldest first."""
    found = [UndoFile.read(path) for path in sorted(folder.glob(f"{PREFIX}*{SUFFIX}"))]
    return [undo for undo in found if undo.is_open]
