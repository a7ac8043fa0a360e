"""A machine behind the agent's, reached by SSH, as a `Target`: nothing is installed there.

Programs go over SSH's exec, files over SFTP. The hop's own threads do what blocks; at most `PARALLEL` at once, because
a server commonly takes ten channels on one connection.
"""

import asyncio
import contextlib
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import paramiko

from remote_assist.core.hostile import safe_text
from remote_assist.core.requests import KIND_DATA, KIND_ERROR
from remote_assist.core.target import ABSENT, Command, Completed, FileStatus
from remote_assist.core.wishes import HopPlace
from remote_assist.errors import AssistError, RefusedError, UnreachableError, UsageError
from remote_assist.transport.ssh_hop_program import HopProgram, command_string, not_started
from remote_assist.transport.tls_probe import tls_certificate

T = TypeVar("T")

PARALLEL = 7
"""Programs at once; one more channel is the file transfer's."""

CHANNEL_SECONDS = 20.0
KILL_SECONDS = 2.0
PLATFORMS = {"Linux": "linux", "Darwin": "macos"}
_READ_AHEAD_BYTES = 256 << 10


class SshHop:
    """One logged-in machine. `close` it when the session ends."""

    def __init__(self, place: HopPlace, transport: paramiko.Transport, pool: ThreadPoolExecutor) -> None:
        self.place = place
        self.platform = "unknown"
        self._transport = transport
        self._pool = pool
        self._sftp: paramiko.SFTPClient | None = None
        self._sftp_lock = asyncio.Lock()
        self._room = asyncio.Semaphore(PARALLEL)

    @property
    def is_open(self) -> bool:
        """Whether the connection still stands."""
        return self._transport.is_active()

    async def look(self) -> None:
        """Learn which system it is. Raises AssistError for one this version cannot look after."""
        done = await self.run(Command(("uname", "-s")))
        name = done.stdout.decode("utf-8", "replace").strip()
        if done.status != 0 or name not in PLATFORMS:
            raise AssistError(
                f"{self.place} is a system that cannot be looked after over SSH",
                advice="A Windows machine is reached with winrm://.",
            )
        self.platform = PLATFORMS[name]

    def close(self) -> None:
        """Hang up; what still ran there is gone with its channel. Returns at once."""
        self._transport.close()
        self._pool.shutdown(wait=False, cancel_futures=True)

    # --- programs ---------------------------------------------------------------------------------

    async def start(
        self, argv: Sequence[str], folder: str = "", *, environment: Mapping[str, str] | None = None, stdin: bool = True
    ) -> HopProgram:
        """Start a program whose output streams. The caller `finish`es it. Raises AssistError."""
        text = command_string(argv, folder, environment or {})
        try:
            channel = await self._blocking(lambda: self._open(text))
        except (paramiko.SSHException, OSError, EOFError) as error:
            raise self._gone(error) from error
        program = HopProgram(channel, self._kill)
        if not stdin:
            program.close_stdin()
        return program

    async def run(self, command: Command) -> Completed:
        """Run a program to its end or deadline; output beyond `max_bytes` (each stream) is read but dropped."""
        async with self._room:
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
                if tail and (found.st_size or 0) > max_bytes:
                    file.seek((found.st_size or 0) - max_bytes)
                return file.read(max_bytes)

        return await self.transfer(path, work)

    async def status(self, path: str) -> FileStatus:
        """Status of the path itself (a link is a link)."""
        return await self.transfer(path, lambda sftp: status_of(path, sftp.lstat(path)))

    async def list(self, path: str, *, max_entries: int) -> "list[FileStatus]":
        """Entries of a folder in name order, bounded."""

        def work(sftp: paramiko.SFTPClient) -> "list[FileStatus]":
            found: list[FileStatus] = []
            for entry in sftp.listdir_iter(path):
                if len(found) >= max_entries:
                    break
                found.append(status_of(f"{path.rstrip('/')}/{entry.filename}", entry))
            return sorted(found, key=lambda one: one.path)

        return await self.transfer(path, work)

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
        return await self.transfer(path, lambda sftp: sftp.readlink(path)) or ""

    async def tls_certificate(self, host: str, port: int, timeout_seconds: float) -> bytes | None:
        """The leaf certificate a TLS server presents; asked from the agent's machine, and only for the hop itself."""
        address = self.place.endpoint.host if host in {"127.0.0.1", "::1", "localhost"} else host
        return await tls_certificate(address, port, timeout_seconds)

    async def transfer(self, path: str, work: Callable[[paramiko.SFTPClient], T]) -> T:
        """Do `work` (which blocks) with the file transfer, one at a time. Raises AssistError in our words."""
        async with self._sftp_lock:
            with self._named(path):
                if self._sftp is None:
                    self._sftp = await self._blocking(self._open_sftp)
                sftp = self._sftp
                return await self._blocking(lambda: work(sftp))

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

    def _open(self, text: str) -> paramiko.Channel:
        channel = self._transport.open_session(timeout=CHANNEL_SECONDS)
        channel.exec_command(text.encode("utf-8", "surrogateescape"))
        return channel

    def _open_sftp(self) -> paramiko.SFTPClient:
        client = paramiko.SFTPClient.from_transport(self._transport)
        if client is None:
            raise UnreachableError(f"{self.place} serves no files over SSH")
        channel = client.get_channel()
        if channel is not None:
            channel.settimeout(CHANNEL_SECONDS)
        return client

    def _kill(self, process_id: int, name: str) -> None:
        script = 'kill -s "$1" -- "-$2" 2>/dev/null || kill -s "$1" "$2"'
        text = command_string(["sh", "-c", script, "sh", name, str(process_id)], "/", {})

        def send() -> None:
            with contextlib.suppress(paramiko.SSHException, OSError, EOFError):
                channel = self._open(text)
                channel.settimeout(KILL_SECONDS)
                channel.recv_exit_status()
                channel.close()

        with contextlib.suppress(RuntimeError):  # the pool is shut: the connection is closed already
            self._pool.submit(send)

    async def _blocking(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)

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
