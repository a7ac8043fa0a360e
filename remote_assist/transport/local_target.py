"""This machine as a `Target`: what the agent's gate hands to diagnostics, fixes and the `run` verb.

Chooses by system; knows nothing of consent. Only the file of this system is imported.
"""

import sys
from typing import Any, NoReturn

from remote_assist.core.target import Command, Completed, FileStatus
from remote_assist.errors import AssistError

__all__ = ["LocalTarget"]

if sys.platform != "win32":
    from remote_assist.transport.posix.target import PosixTarget as LocalTarget
else:

    class LocalTarget:
        """A system this version cannot look after: everything is refused with that sentence."""

        platform = "windows"

        def __getattr__(self, name: str) -> Any:
            _refuse()

        async def run(self, command: Command) -> Completed:
            _refuse()

        async def read(self, path: str, *, max_bytes: int, tail: bool = False) -> bytes:
            _refuse()

        async def status(self, path: str) -> FileStatus:
            _refuse()

        async def list(self, path: str, *, max_entries: int) -> "list[FileStatus]":
            _refuse()

        async def replace_file(
            self,
            path: str,
            content: bytes,
            *,
            mode: int,
            owner: tuple[int, int] | None = None,
            seen: str | None = None,
        ) -> None:
            _refuse()

        async def remove_file(self, path: str, *, seen: str | None = None) -> None:
            _refuse()

        async def move(self, path: str, to: str) -> None:
            _refuse()

        async def read_link(self, path: str) -> str:
            _refuse()

        async def make_folder(self, path: str, *, mode: int) -> None:
            _refuse()

        async def make_link(self, path: str, points_to: str) -> None:
            _refuse()

        async def spawn(self, command: Command) -> int:
            _refuse()

        async def signal(self, process_id: int, name: str) -> None:
            _refuse()

        async def tls_certificate(self, host: str, port: int, timeout_seconds: float) -> bytes | None:
            _refuse()

    def _refuse() -> NoReturn:
        raise AssistError("this version looks after Linux and macOS only")
