"""A real `MutableTarget` on this machine, small, for tests of collectors and fixes; the agent's is transport/local_target.py."""

import asyncio
import os
import signal
import stat
import tempfile
import time
from pathlib import Path

from remote_assist.core.target import Command, Completed, FileStatus
from remote_assist.errors import AssistError
from remote_assist.transport.tls_probe import tls_certificate


class RealTarget:
    """Counts what it does in `log`, so that a test can say that nothing was done."""

    platform = "linux"

    def __init__(self) -> None:
        self.log: list[tuple[str, ...]] = []
        self.missing: set[str] = set()
        self.running = 0

    async def run(self, command: Command) -> Completed:
        self.log.append(("run", *command.argv))
        if command.argv[0] in self.missing:
            raise AssistError(f"there is no program '{command.argv[0]}'")
        begun = time.monotonic()
        try:
            process = await asyncio.create_subprocess_exec(
                *command.argv,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env={**os.environ, **command.environment},
                start_new_session=True,
            )
        except OSError as error:
            raise AssistError(f"there is no program '{command.argv[0]}'") from error
        self.running += 1
        timed_out = False
        try:
            out, err = await asyncio.wait_for(process.communicate(), command.timeout_seconds)
        except TimeoutError:
            timed_out, out, err = True, b"", b""
        finally:
            if process.returncode is None:
                os.killpg(process.pid, signal.SIGKILL)
                await process.wait()
            self.running -= 1
        status = process.returncode if process.returncode is not None else -9
        cut = len(out) > command.max_bytes
        return Completed(status, out[: command.max_bytes], err, time.monotonic() - begun, cut, timed_out)

    async def read(self, path: str, *, max_bytes: int, tail: bool = False) -> bytes:
        self.log.append(("read", path))
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
            with os.fdopen(descriptor, "rb") as file:
                if tail:
                    file.seek(max(0, os.fstat(file.fileno()).st_size - max_bytes))
                return file.read(max_bytes)
        except OSError as error:
            raise AssistError(f"{path}: {error.strerror}") from error

    async def status(self, path: str) -> FileStatus:
        try:
            found = os.lstat(path)
        except OSError as error:
            raise AssistError(f"{path}: {error.strerror}") from error
        kinds = {stat.S_IFREG: "file", stat.S_IFDIR: "folder", stat.S_IFLNK: "link"}
        kind = kinds.get(stat.S_IFMT(found.st_mode), "other")
        return FileStatus(path, kind, found.st_size, stat.S_IMODE(found.st_mode), found.st_mtime)

    async def list(self, path: str, *, max_entries: int) -> list[FileStatus]:
        try:
            names = sorted(os.listdir(path))
        except OSError as error:
            raise AssistError(f"{path}: {error.strerror}") from error
        return [
            await self.status(f"{path}/{name}") for name in names[:max_entries] if os.path.lexists(f"{path}/{name}")
        ]

    async def tls_certificate(self, host: str, port: int, timeout_seconds: float) -> bytes | None:
        return await tls_certificate(host, port, timeout_seconds)

    async def replace_file(self, path: str, content: bytes, *, mode: int) -> None:
        self.log.append(("replace_file", path))
        descriptor, name = tempfile.mkstemp(dir=Path(path).parent)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        os.chmod(name, mode)
        os.replace(name, path)

    async def remove_file(self, path: str) -> None:
        self.log.append(("remove_file", path))
        os.unlink(path)

    async def spawn(self, command: Command) -> int:
        self.log.append(("spawn", *command.argv))
        process = await asyncio.create_subprocess_exec(
            *command.argv, stdin=asyncio.subprocess.DEVNULL, start_new_session=True
        )
        return process.pid

    async def signal(self, process_id: int, name: str) -> None:
        self.log.append(("signal", str(process_id), name))
        os.kill(process_id, getattr(signal, f"SIG{name}"))
