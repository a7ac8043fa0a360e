"""Configuration files by digest, and what `since` leaves of the logs, on made-up machines."""

import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from remote_assist.core.target import Command, Completed, FileStatus
from remote_assist.diagnostics.collectors_linux.configuration import FILES, FOLDERS, config_files
from remote_assist.diagnostics.collectors_linux.logs import log_digest
from remote_assist.diagnostics.look import Look, Unavailable
from remote_assist.diagnostics.never_collect import NEVER_OPENED
from remote_assist.errors import ContentError

NOW = datetime(2026, 11, 29, 12, 0, tzinfo=UTC)


class Machine:
    """Files by path, and what journalctl says (None: there is none). Implements core.target.Target."""

    platform = "linux"

    def __init__(self, files: dict[str, bytes], journal: str | None = None) -> None:
        self._files = files
        self._journal = journal
        self.asked: list[tuple[str, ...]] = []

    async def run(self, command: Command) -> Completed:
        self.asked.append(command.argv)
        if command.argv[0] != "journalctl" or self._journal is None:
            raise ContentError("not here")
        return Completed(0, self._journal.encode(), b"", 0.0)

    async def read(self, path: str, *, max_bytes: int, tail: bool = False) -> bytes:
        return self._files[(await self.status(path)).path]

    async def status(self, path: str) -> FileStatus:
        if path not in self._files:
            raise ContentError(f"{path} is not here")
        return FileStatus(path, "file", len(self._files[path]), 0o644, NOW.timestamp())

    async def read_link(self, path: str) -> str:
        raise ContentError(f"{path} is no link")

    async def list(self, path: str, *, max_entries: int) -> list[FileStatus]:
        return [await self.status(each) for each in self._files if Path(each).parent == Path(path)]


def look(machine: Machine, since: datetime | None = None) -> Look:
    return Look(machine, now=NOW, since=since)


async def test_a_file_is_told_by_digest_and_its_content_is_not() -> None:
    machine = Machine({"/etc/fstab": b"UUID=1 / ext4", "/etc/nginx/conf.d/a.conf": b"listen 80;", "/etc/other": b"x"})
    gathered = await config_files(look(machine))
    assert gathered.facts == [
        {
            "path": path,
            "sha256": hashlib.sha256(raw).hexdigest(),
            "size_bytes": len(raw),
            "changed": "2026-11-29T12:00:00Z",
        }
        for path, raw in machine._files.items()
        if path != "/etc/other"
    ]


async def test_without_any_of_them_it_is_unavailable() -> None:
    with pytest.raises(Unavailable):
        await config_files(look(Machine({})))


def test_no_listed_file_is_one_that_is_never_opened() -> None:
    assert [path for path in (*FILES, *FOLDERS) if NEVER_OPENED.search(path)] == []


async def test_only_newer_errors_are_looked_at_when_a_time_is_given() -> None:
    lines = b"2026-11-29T08:00:00Z h old: error one\n2026-11-29T11:30:00Z h new: error two\n"
    machine = Machine({"/var/log/syslog": lines})
    assert len((await log_digest(look(machine))).facts) == 2  # type: ignore[arg-type]  # a list of rows
    newer = (await log_digest(look(machine, NOW - timedelta(hours=1)))).facts
    assert isinstance(newer, list)
    assert [row["template"] for row in newer] == ["new: error two"]


async def test_a_journal_without_news_means_no_errors_since_then() -> None:
    machine = Machine({}, journal="")
    assert (await log_digest(look(machine, NOW - timedelta(hours=1)))).facts == []
    assert f"--since=@{int((NOW - timedelta(hours=1)).timestamp())}" in machine.asked[0]
    with pytest.raises(Unavailable):
        await log_digest(look(machine))
