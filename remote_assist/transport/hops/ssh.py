"""A machine behind the agent's, reached by SSH, as a `Target`: nothing is installed there.

Programs go over SSH's exec, files over SFTP. The hop's own threads do what blocks; a server commonly takes ten channels
on one connection, which are shared out below. Looks at files have several: each costs a few round trips, and a bundle
looks at hundreds.
"""

import asyncio
import contextlib
import stat
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import paramiko

from remote_assist.core.hostile import safe_text
from remote_assist.core.requests import KIND_DATA, KIND_ERROR
from remote_assist.core.target import ABSENT, Command, Completed, FileStatus
from remote_assist.core.wishes import HopPlace
from remote_assist.errors import AssistError, RefusedError, UnreachableError, UsageError
from remote_assist.transport.hops.ssh_program import HopProgram, command_string, new_mark, not_started
from remote_assist.transport.hops.ssh_terminal import HopTerminal
from remote_assist.transport.posix.pty import Window
from remote_assist.transport.tls_probe import tls_certificate

T = TypeVar("T")

PARALLEL, LOOKS = 5, 3
"""Programs and looks at files at once; one more channel moves files, and one is left for a signal."""

LIST_AHEAD = 2
"""Requests for more names on their way at once, each for about a hundred; paramiko sends 50 for any folder."""

THREADS = PARALLEL + LOOKS + 4

ONE_AT_A_TIME = "dropbear"
"""A server (seen with 2022.83) that closes new sessions when others of the same connection end at that moment."""

CHANNEL_SECONDS = 20.0
ROOM_SECONDS = 5.0
"""How long a server that takes no further session now is asked again: it may not have noticed yet that others ended."""

NO_ROOM = frozenset({2, 4})
"""SSH's reasons for that: connect failed (OpenSSH's word for MaxSessions), resource shortage."""

KILL_SECONDS = 2.0
PLATFORMS = {"Linux": "linux", "Darwin": "macos"}
_READ_AHEAD_BYTES = 256 << 10


class SshHop:
    """One logged-in machine. `close` it when the session ends."""

    def __init__(self, place: HopPlace, transport: paramiko.Transport, pool: ThreadPoolExecutor) -> None:
        self.place = place
        self.platform = "unknown"
        self.is_root = False
        """Whether the user is root over there."""
        self._transport = transport
        self._pool = pool
        self._sftp: paramiko.SFTPClient | None = None
        self._sftp_lock = asyncio.Lock()
        self._single = ONE_AT_A_TIME in transport.remote_version.lower()
        self._room = asyncio.Semaphore(1 if self._single else PARALLEL)
        self._looks = asyncio.Semaphore(1 if self._single else LOOKS)
        self._behind: set[Future[None]] = set()
        self._idle: list[paramiko.SFTPClient] = []

    @property
    def is_open(self) -> bool:
        """Whether the connection still stands."""
        return self._transport.is_active()

    async def look(self) -> None:
        """Learn which system it is, and as whom. Raises AssistError for one this version cannot look after."""
        done = await self.run(Command(("sh", "-c", "uname -s && id -u")))
        name, _, user = done.stdout.decode("utf-8", "replace").strip().partition("\n")
        if done.status != 0 or name not in PLATFORMS:
            raise AssistError(
                f"{self.place} is a system that cannot be looked after over SSH",
                advice="A Windows machine is reached with winrm://.",
            )
        self.platform = PLATFORMS[name]
        self.is_root = user.strip() == "0"

    def close(self) -> None:
        """Hang up; what still ran there is gone with its channel. Returns at once."""
        self._transport.close()
        self._pool.shutdown(wait=False, cancel_futures=True)

    # --- programs ---------------------------------------------------------------------------------

    async def start(
        self, argv: Sequence[str], folder: str = "", *, environment: Mapping[str, str] | None = None, stdin: bool = True
    ) -> HopProgram:
        """Start a program whose output streams. The caller `finish`es it. Raises AssistError."""
        mark = new_mark()
        text = command_string(argv, folder, environment or {}, mark)
        program = HopProgram(await self._channel(lambda: self._open(text)), self._kill, mark)
        if not stdin:
            program.close_stdin()
        return program

    async def start_terminal(
        self, argv: Sequence[str], argv0: str, *, environment: Mapping[str, str], columns: int, rows: int
    ) -> HopTerminal:
        """Open the user's login shell over there at a terminal; of `environment` only TERM can be said. `argv` and
        `argv0` are those of this computer's shell and mean nothing there. The caller `finish`es it.
        """
        window = Window.bounded(columns, rows)

        def open_shell() -> paramiko.Channel:
            channel = self._session()
            channel.get_pty(environment.get("TERM", "dumb"), window.columns, window.rows)
            channel.invoke_shell()
            return channel

        return HopTerminal(await self._channel(open_shell), self._later)

    async def run(self, command: Command) -> Completed:
        """Run a program to its end or deadline; output beyond `max_bytes` (each stream) is read but dropped."""
        async with self._room:
            if self._single:  # signals are sessions too
                await asyncio.gather(*(asyncio.wrap_future(one) for one in tuple(self._behind)))
            program = await self.start(
                command.argv, command.folder, environment=command.environment, stdin=bool(command.stdin)
            )
            return await self._to_end(program, command)

    async def spawn(self, command: Command) -> int:
        """Start a program that outlives the action; answer its process id over there."""
        script = '"$@" </dev/null >/dev/null 2>&1 & printf "%s" "$!"'
        done = await self.run(
            Command(("setsid", "sh", "-c", script, "sh", *command.argv), command.environment, command.folder)
        )
        if not done.stdout.isdigit():
            raise AssistError(f"{safe_text(command.argv[0], max_chars=256)} cannot be started on that machine")
        return int(done.stdout)

    async def signal(self, process_id: int, name: str) -> None:
        """Send TERM, KILL or HUP to one process over there."""
        if name not in {"TERM", "KILL", "HUP"} or process_id <= 1:
            raise UsageError("only TERM, KILL and HUP are sent, and never to process 1")
        done = await self.run(Command(("kill", "-s", name, str(process_id))))
        if done.status != 0:
            raise AssistError(f"process {process_id} on that machine cannot be signalled")

    # --- files ------------------------------------------------------------------------------------

    async def read(self, path: str, *, max_bytes: int, tail: bool = False) -> bytes:
        """Bytes of a regular file, cut at `max_bytes`. Raises AssistError for links and what is not there."""

        def work(sftp: paramiko.SFTPClient) -> bytes:
            found = sftp.lstat(path)
            check_regular(path, found)
            with sftp.open(path, "rb") as file:
                size = found.st_size or 0  # of what the kernel makes up as it is read: 0
                if tail and size > max_bytes:
                    file.seek(size - max_bytes)
                return file.read(min(size, max_bytes) or max_bytes)

        return await self._look(path, work)

    async def status(self, path: str) -> FileStatus:
        """Status of the path itself (a link is a link)."""
        return await self._look(path, lambda sftp: status_of(path, sftp.lstat(path)))

    async def list(self, path: str, *, max_entries: int) -> "list[FileStatus]":
        """Entries of a folder in name order, bounded."""

        def work(sftp: paramiko.SFTPClient) -> "list[FileStatus]":
            found: list[FileStatus] = []
            for entry in sftp.listdir_iter(path, read_aheads=LIST_AHEAD):
                if len(found) >= max_entries:
                    break
                found.append(status_of(f"{path.rstrip('/')}/{entry.filename}", entry))
            return sorted(found, key=lambda one: one.path)

        return await self._look(path, work)

    async def replace_file(
        self, path: str, content: bytes, *, mode: int, owner: tuple[int, int] | None = None, seen: str | None = None
    ) -> None:
        """Write beside its place, sync, rename over it. A replaced file keeps its owner, a new one gets `owner`."""
        part = f"{path}.remote-assist-part"

        def work(sftp: paramiko.SFTPClient) -> None:
            there = _look_at(sftp, path, seen)
            keep = (there.owner_id, there.group_id) if there is not None else owner
            with contextlib.suppress(FileNotFoundError):
                sftp.remove(part)
            with sftp.open(part, "wxb") as file:
                file.write(content)
            if keep is not None:
                with contextlib.suppress(PermissionError):  # only root gives files away; our own stays ours
                    sftp.chown(part, *keep)
            sftp.chmod(part, mode)

        def over(sftp: paramiko.SFTPClient) -> None:
            _look_at(sftp, path, seen)
            sftp.posix_rename(part, path)

        await self.transfer(path, work)
        await self._sync(part)
        await self.transfer(path, over)
        await self._sync(path.rpartition("/")[0] or "/")

    async def remove_file(self, path: str, *, seen: str | None = None) -> None:
        """Remove one regular file."""

        def work(sftp: paramiko.SFTPClient) -> None:
            if _look_at(sftp, path, seen) is None:
                raise FileNotFoundError(path)
            sftp.remove(path)

        await self.transfer(path, work)
        await self._sync(path.rpartition("/")[0] or "/")

    async def move(self, path: str, to: str) -> None:
        """Rename to a name that is free; SFTP's plain rename refuses one that is not."""
        await self.transfer(path, lambda sftp: sftp.rename(path, to))
        await self._sync(to.rpartition("/")[0] or "/")

    async def make_folder(self, path: str, *, mode: int) -> None:
        """Make one folder in place of nothing."""
        await self.transfer(path, lambda sftp: sftp.mkdir(path, mode))

    async def make_link(self, path: str, points_to: str) -> None:
        """Make a link in place of nothing."""
        await self.transfer(path, lambda sftp: sftp.symlink(points_to, path))

    async def read_link(self, path: str) -> str:
        """Where a link points to, as written."""
        return await self._look(path, lambda sftp: sftp.readlink(path)) or ""

    async def tls_certificate(self, host: str, port: int, timeout_seconds: float) -> bytes | None:
        """The leaf certificate a TLS server presents; asked from the agent's machine, and only for the hop itself."""
        address = self.place.endpoint.host if host in {"127.0.0.1", "::1", "localhost"} else host
        return await tls_certificate(address, port, timeout_seconds)

    async def _look(self, path: str, work: Callable[[paramiko.SFTPClient], T]) -> T:
        """Do `work` (which blocks and changes nothing) on a channel of its own, a few at a time."""
        async with self._looks:
            with self._named(path):
                sftp = self._idle.pop() if self._idle else await self._blocking(self._open_sftp)
                try:
                    seen = await self._blocking(lambda: work(sftp))
                except (asyncio.CancelledError, paramiko.SSHException, EOFError):
                    self._later(sftp.close)  # its thread may still be at work on it
                    raise
                except OSError:
                    self._idle.append(sftp)
                    raise
                self._idle.append(sftp)
                return seen

    async def transfer(self, path: str, work: Callable[[paramiko.SFTPClient], T]) -> T:
        """Do `work` (which blocks) with the file transfer, one at a time. Raises AssistError in our words."""
        async with self._sftp_lock:
            with self._named(path):
                if self._sftp is None:
                    self._sftp = await self._blocking(self._open_sftp)
                sftp = self._sftp
                return await self._to_its_end(lambda: work(sftp))

    # --- inside -----------------------------------------------------------------------------------

    async def _to_end(self, program: HopProgram, command: Command) -> Completed:
        kept = {KIND_DATA: bytearray(), KIND_ERROR: bytearray()}
        cut = timed_out = False
        status = -1
        try:
            async with asyncio.timeout(command.timeout_seconds):
                if command.stdin:
                    await program.feed(command.stdin)
                    program.close_stdin()
                async for kind, raw in program.output():
                    room = command.max_bytes - len(kept[kind])
                    kept[kind] += raw[: max(0, room)]
                    cut = cut or len(raw) > room
                status = await program.wait()
        except TimeoutError:
            timed_out = True
        finally:
            seconds = program.seconds
            ended = await program.finish()
        status = ended if timed_out else status
        if fault := not_started(command.argv[0], status, bytes(kept[KIND_ERROR])):
            raise fault
        return Completed(status, bytes(kept[KIND_DATA]), bytes(kept[KIND_ERROR]), seconds, cut, timed_out)

    async def _sync(self, path: str) -> None:
        """SFTP as everybody has it knows no fsync; GNU and BusyBox `sync` take a path."""
        await self.run(Command(("sync", path)))

    async def _channel(self, work: Callable[[], paramiko.Channel]) -> paramiko.Channel:
        """A channel that `work` (which blocks) opens. Raises UnreachableError."""
        try:
            return await self._blocking(work)
        except (paramiko.SSHException, OSError, EOFError) as error:
            raise self._gone(error) from error

    def _session(self) -> paramiko.Channel:
        """A session of this connection. Blocks, and asks again for `ROOM_SECONDS` while the server has no room."""
        end = time.monotonic() + ROOM_SECONDS
        while True:
            try:
                return self._transport.open_session(timeout=CHANNEL_SECONDS)
            except paramiko.SSHException as error:  # of two refused at once, paramiko tells one the reason
                code = error.code if isinstance(error, paramiko.ChannelException) else None
                if code not in {*NO_ROOM, None} or not self.is_open or time.monotonic() > end:
                    raise
                time.sleep(0.05)

    def _open(self, text: str) -> paramiko.Channel:
        channel = self._session()
        channel.exec_command(text.encode("utf-8", "surrogateescape"))
        return channel

    def _open_sftp(self) -> paramiko.SFTPClient:
        channel = self._session()
        channel.settimeout(CHANNEL_SECONDS)
        channel.invoke_subsystem("sftp")
        return paramiko.SFTPClient(channel)

    def _kill(self, process_id: int, name: str) -> None:
        script = 'kill -s "$1" -- "-$2" 2>/dev/null || kill -s "$1" "$2"'
        text = command_string(["sh", "-c", script, "sh", name, str(process_id)], "/", {}, new_mark())

        def send() -> None:
            channel = self._open(text)
            channel.status_event.wait(KILL_SECONDS)
            channel.close()

        self._later(send)

    def _later(self, work: Callable[[], None]) -> None:
        """Do something that may block, in the hop's threads. Returns at once; what fails means that it is over."""

        def quietly() -> None:
            with contextlib.suppress(paramiko.SSHException, OSError, EOFError):
                work()

        with contextlib.suppress(RuntimeError):  # the pool is shut: the connection is closed already
            future = self._pool.submit(quietly)
            self._behind.add(future)
            future.add_done_callback(self._behind.discard)

    async def _blocking(self, work: Callable[[], T]) -> T:
        """Do `work` in a thread."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)

    async def _to_its_end(self, work: Callable[[], T]) -> T:
        """The same. Who is cancelled waits until it is over: it may be in the middle of a change."""
        future = asyncio.get_running_loop().run_in_executor(self._pool, work)
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            await asyncio.wait([future])
            future.cancelled() or future.exception()  # which is nobody's any more
            raise

    @contextlib.contextmanager
    def _named(self, path: str) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError as error:
            raise AssistError(f"there is no {safe_text(path, max_chars=256)} on that machine") from error
        except PermissionError as error:
            raise AssistError(f"{self.place.user} may not touch {safe_text(path, max_chars=256)}") from error
        except (paramiko.SSHException, EOFError) as error:
            raise self._gone(error) from error
        except OSError as error:
            cause = error.strerror or str(error)
            raise AssistError(f"{safe_text(path, max_chars=256)}: {safe_text(cause, max_chars=200)}") from error

    def _gone(self, error: BaseException) -> UnreachableError:
        cause = safe_text(str(error) or type(error).__name__, max_chars=200)
        return UnreachableError(f"{self.place} went away: {cause}")


def status_of(path: str, found: paramiko.SFTPAttributes) -> FileStatus:
    """A status as every target gives it."""
    mode = found.st_mode or 0
    kind = (
        "file" if stat.S_ISREG(mode) else "folder" if stat.S_ISDIR(mode) else "link" if stat.S_ISLNK(mode) else "other"
    )
    return FileStatus(
        path=path,
        kind=kind,
        size_bytes=found.st_size or 0,
        mode=stat.S_IMODE(mode),
        modified=float(found.st_mtime or 0),
        owner_id=found.st_uid or 0,
        group_id=found.st_gid or 0,
    )


def _look_at(sftp: paramiko.SFTPClient, path: str, seen: str | None) -> FileStatus | None:
    """What is at `path` now; None for nothing. Raises RefusedError when it is no file, or not what the caller saw."""
    try:
        found = sftp.lstat(path)
    except FileNotFoundError:
        there = None
    else:
        check_regular(path, found)
        there = status_of(path, found)
    if seen is not None and (ABSENT if there is None else there.identity) != seen:
        raise RefusedError(f"{safe_text(path, max_chars=256)} has changed since it was looked at", reason="changed")
    return there


def check_regular(path: str, found: paramiko.SFTPAttributes) -> None:
    """Raise RefusedError for links and everything that is no plain file."""
    kind = status_of(path, found).kind
    if kind != "file":
        raise RefusedError(f"{safe_text(path, max_chars=256)} is a {kind}, not a file", reason="not-a-file")
