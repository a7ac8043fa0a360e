"""A machine of another system, played from what its tools print. Nothing is run."""

from pathlib import Path
from typing import Any

import yaml

from remote_assist.core.target import Command, Completed, FileStatus
from remote_assist.errors import AssistError

DATA = Path(__file__).parent / "data"


def recorded(name: str) -> dict[str, Any]:
    """commands, files and expect of a system."""
    found: dict[str, Any] = yaml.safe_load((DATA / f"{name}.yaml").read_text())
    return found


class RecordedTarget:
    """`commands`: command line → its output; what is not there cannot be started."""

    def __init__(self, platform: str, commands: dict[str, str], files: dict[str, str], modified: float) -> None:
        self.platform = platform
        self.ran: list[str] = []
        self._commands = commands
        self._files = files
        self._modified = modified

    async def run(self, command: Command) -> Completed:
        line = " ".join(command.argv)
        self.ran.append(line)
        if line not in self._commands:
            raise AssistError(f"there is no program '{command.argv[0]}'")
        return Completed(0, self._commands[line].encode(), b"", 0.0)

    async def read(self, path: str, *, max_bytes: int, tail: bool = False) -> bytes:
        if path not in self._files:
            raise AssistError(f"{path} does not exist")
        return self._files[path].encode()[:max_bytes]

    async def status(self, path: str) -> FileStatus:
        for known, content in self._files.items():
            if known == path:
                return FileStatus(path, "file", len(content), 0o644, self._modified)
            if known.startswith(path.rstrip("/") + "/"):
                return FileStatus(path, "folder", 0, 0o755, self._modified)
        raise AssistError(f"{path} does not exist")

    async def list(self, path: str, *, max_entries: int) -> "list[FileStatus]":
        start = path.rstrip("/") + "/"
        names = {known[len(start) :].partition("/")[0] for known in self._files if known.startswith(start)}
        return [await self.status(start + name) for name in sorted(names)][:max_entries]

    async def read_link(self, path: str) -> str:
        raise AssistError(f"{path} is not a link")
