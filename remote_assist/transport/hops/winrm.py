"""A Windows machine behind the agent's, reached by WinRM, as a `Target`: nothing is installed there.

    winrm://USER@HOST         HTTPS on 5986, its certificate validated
    winrm://USER@HOST:5985    HTTP, every message encrypted by NTLM or Kerberos (transport/hops/winrm_connection.py)

Rule: pywinrm blocks and one connection serves one request at a time, so each request takes a free one; a program that
streams keeps its own.
"""

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NoReturn, TypeVar

import requests
from winrm.exceptions import AuthenticationError, InvalidCredentialsError, WinRMError
from winrm.vendor.requests_kerberos.exceptions import KerberosExchangeError, MutualAuthenticationError

from remote_assist.core.hostile import safe_text
from remote_assist.core.target import Command, Completed, FileStatus
from remote_assist.core.wishes import HopPlace
from remote_assist.errors import AssistError, RefusedError, UnreachableError
from remote_assist.transport.hops.winrm_connection import Connection
from remote_assist.transport.hops.winrm_files import content_of, list_argv, read_argv, status_argv, statuses_of
from remote_assist.transport.hops.winrm_program import WinrmProgram
from remote_assist.transport.only_looked_at import OnlyLookedAt
from remote_assist.transport.outward import Pinned

T = TypeVar("T")

PARALLEL = 4
"""Connections to one machine; Windows allows five shells of one user by default."""


class WinrmHop(OnlyLookedAt):
    """One machine and the right to use it. `close` it when the session ends."""

    platform = "windows"
    is_root = True
    """Nobody is asked: what an account may not do over there fails as it is done."""

    def __init__(
        self, place: HopPlace, pinned: Pinned, password: str, trust: str = "", *, certificate: str = ""
    ) -> None:
        """`password` empty: by `certificate` (a file with its key), or the Kerberos ticket of this computer's user."""
        self.place = place
        self._pinned = pinned
        self._password = password
        self._trust = trust
        self._certificate = certificate
        self._pool = ThreadPoolExecutor(PARALLEL, thread_name_prefix="winrm")
        self._free: queue.SimpleQueue[Connection] = queue.SimpleQueue()
        self._closed = threading.Event()

    @property
    def is_open(self) -> bool:
        """Whether it may still be used; each request connects anew where it must."""
        return not self._closed.is_set()

    async def look(self) -> None:
        """Log in. Raises RefusedError (`credentials`), UnreachableError."""
        await self._with_connection(lambda connection: connection.shell)

    def close(self) -> None:
        """Forget the password and hang up. Returns at once."""
        self._closed.set()
        self._password = ""
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def run(self, command: Command) -> Completed:
        """Run a program to its end or deadline; output beyond `max_bytes` (each stream) is read but dropped."""
        if command.stdin or command.folder:
            raise AssistError("a program over WinRM gets no input and no folder of its own")
        stop = threading.Event()
        try:
            return await self._with_connection(lambda connection: connection.run(command, stop))
        finally:
            stop.set()

    async def start(
        self, argv: Sequence[str], folder: str = "", *, environment: Mapping[str, str] | None = None, stdin: bool = True
    ) -> WinrmProgram:
        """Start a program whose output streams. The caller `finish`es it. `environment` stays here."""
        if folder:
            raise AssistError("a program over WinRM has no folder of its own", advice="Leave out --folder.")
        program = WinrmProgram(self, await self._with_connection(lambda connection: connection, keep=True))
        await program.begin(argv, stdin=stdin)
        return program

    async def start_terminal(
        self, argv: Sequence[str], argv0: str, *, environment: Mapping[str, str], columns: int, rows: int
    ) -> NoReturn:
        """Refuse: WinRM knows programs only."""
        raise RefusedError("WinRM opens no terminals", reason="no-such-door", advice="Use `run --on` instead.")

    async def in_thread(self, work: Callable[[], T]) -> T:
        """Do something that blocks on a connection that is held already. Raises AssistError in our words."""

        def blocking() -> T:
            with self.named():
                return work()

        return await asyncio.get_running_loop().run_in_executor(self._pool, blocking)

    def give_back(self, connection: Connection) -> None:
        """A connection taken for a program is free again."""
        self._free.put(connection)

    async def blocking(self, work: Callable[[Connection], T]) -> T:
        """Do something that blocks on a free connection. Raises AssistError in our words."""
        return await self._with_connection(work)

    async def read(self, path: str, *, max_bytes: int, tail: bool = False) -> bytes:
        """Bytes of a regular file, cut at `max_bytes`."""
        return content_of(await self._script(read_argv(path, max_bytes, tail=tail), max_bytes * 2))

    async def status(self, path: str) -> FileStatus:
        """Status of the path itself (a reparse point is a link)."""
        return statuses_of(await self._script(status_argv(path), 64 << 10))[0]

    async def list(self, path: str, *, max_entries: int) -> "list[FileStatus]":
        """Entries of a folder in name order, bounded."""
        return statuses_of(await self._script(list_argv(path, max_entries), max_entries * 600))

    async def read_link(self, path: str) -> str:
        """Where a link points to. Windows links are not followed here and not read either."""
        raise AssistError(f"links of a Windows machine are not read: {safe_text(path, max_chars=200)}")

    async def _script(self, argv: tuple[str, ...], max_bytes: int) -> bytes:
        done = await self.run(Command(argv, timeout_seconds=60.0, max_bytes=max(64 << 10, max_bytes)))
        if done.status != 0:
            said = safe_text(done.stderr[:400]) or f"ended with status {done.status}"
            raise AssistError(f"PowerShell on that machine: {said}")
        return done.stdout

    async def _with_connection(self, work: Callable[[Connection], T], *, keep: bool = False) -> T:
        def with_one() -> T:
            connection = self._take()
            answer = work(connection)
            if not keep:
                self._free.put(connection)
            return answer

        return await self.in_thread(with_one)

    def _take(self) -> Connection:
        try:
            return self._free.get_nowait()
        except queue.Empty:
            return Connection(self.place, self._pinned, self._password, self._trust, self._certificate)

    @contextlib.contextmanager
    def named(self) -> Iterator[None]:
        """Errors of pywinrm and requests in our words."""
        try:
            yield
        except (
            InvalidCredentialsError,
            AuthenticationError,
            KerberosExchangeError,
            MutualAuthenticationError,
        ) as error:
            raise RefusedError(f"{self.place} does not take these credentials", reason="credentials") from error
        except requests.exceptions.SSLError as error:
            if "alert" in str(error).lower():  # it is the other end that complains, of the client's own
                raise RefusedError(f"{self.place} does not take this certificate", reason="credentials") from error
            raise RefusedError(
                f"the certificate of {self.place} does not hold: {safe_text(str(error), max_chars=200)}",
                reason="host-key",
                advice="The machine needs a certificate that the customer's computer trusts.",
            ) from error
        except (requests.exceptions.RequestException, WinRMError, OSError) as error:
            cause = safe_text(str(error), max_chars=200)
            raise UnreachableError(f"{self.place} cannot be reached from the customer's machine: {cause}") from error
