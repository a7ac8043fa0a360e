"""Services of a folder of unit files, for machines and users without an init system.

    FOLDER/NAME.json   {"argv": […], "pidfile": "/…", "port": 8080, "log": "/…"}

`argv` is started as it stands and writes its own log; `pidfile` is written at the start. A service runs while the
process of its pidfile lives; it has failed when there is none and its log ends with "address already in use".
The folder is named in the agent's own settings.
"""

import asyncio
import time

import msgspec

from remote_assist.core.target import Command, MutableTarget
from remote_assist.diagnostics.linux_formats import parse_stat
from remote_assist.diagnostics.look import Look
from remote_assist.diagnostics.services.unit import ADDRESS_IN_USE, LOG_LINES, Unit, port_in_use
from remote_assist.diagnostics.socket_tables import parse_proc_net
from remote_assist.errors import AssistError, RefusedError

STARTER = 'umask 022; echo "$$" > "$1" || exit 1; shift; exec "$@"'
"""The program's own process writes the pidfile before it becomes the program, so that no process is lost from sight."""

MAX_UNITS = 100
LOG_BYTES = 8 << 10
POLL_SECONDS = 0.05
SETTLE_SECONDS = 0.4
"""A start without a port counts when the process lived this long."""

CLOCK_SLACK_SECONDS = 2.0
"""A process that began this much later than its pidfile was written is another one with the same number."""


class UnitFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a unit file says."""

    argv: list[str]
    pidfile: str
    port: int = 0
    log: str = ""


class FolderServices:
    """The backend `process`."""

    name = "process"
    needs_root = False

    def __init__(self, look: Look, folder: str) -> None:
        self._look = look
        self._folder = folder.rstrip("/")

    async def units(self) -> list[Unit]:
        """Every unit file's service."""
        entries = await self._look.folder(self._folder, max_entries=MAX_UNITS)
        names = [each.path.rpartition("/")[2] for each in entries]
        return [await self.unit(name.removesuffix(".json")) for name in names if name.endswith(".json")]

    async def unit(self, name: str) -> Unit:
        """One service, seen now."""
        spec = await self._spec(name)
        if spec is None:
            return Unit(name, "unknown")
        pid = await self._pid(spec)
        log = await self._log(spec)
        failed = any(ADDRESS_IN_USE.search(line) for line in log)
        return Unit(
            name=name,
            state="active" if pid else "failed" if failed else "inactive",
            pid=pid,
            port=spec.port or (0 if pid else port_in_use(log)),
            names=(name, spec.argv[0]),
            log=log,
        )

    async def unit_of(self, pid: int) -> str:
        """By the process itself or one of its parents."""
        owners = await self._look.once("service-owners", self._owners)
        for _ in range(4):
            if pid in owners:
                return owners[pid]
            pid = int(str(parse_stat(await self._look.text_or(f"/proc/{pid}/stat")).get("parent", 0)))
        return ""

    async def _owners(self, _look: Look) -> dict[int, str]:
        return {unit.pid: unit.name for unit in await self.units() if unit.pid}

    async def act(self, target: MutableTarget, name: str, verb: str, timeout_seconds: float) -> None:
        """Signals and starts; waits until it is so."""
        spec = await self._spec(name)
        if spec is None:
            raise RefusedError(f"there is no service '{name}'", reason="service")
        if verb == "reload":
            await self._signal(target, spec, "HUP")
            return
        if verb in {"stop", "restart"}:
            await self._stop(target, name, spec, timeout_seconds)
        if verb in {"start", "restart"}:
            await self._start(target, name, spec, timeout_seconds)

    async def _start(self, target: MutableTarget, name: str, spec: UnitFile, timeout_seconds: float) -> None:
        pid = await target.spawn(Command(("/bin/sh", "-c", STARTER, "sh", spec.pidfile, *spec.argv)))
        begun = time.monotonic()
        while time.monotonic() - begun < timeout_seconds:
            if not await self._alive(pid):
                lines = await self._log(spec)
                raise RefusedError(f"{name} ended at once: {lines[-1] if lines else 'no log'}", reason="service")
            if await self._listens(spec.port) if spec.port else time.monotonic() - begun > SETTLE_SECONDS:
                return
            await asyncio.sleep(POLL_SECONDS)
        raise RefusedError(f"{name} does not listen on port {spec.port} after {timeout_seconds:g} s", reason="service")

    async def _stop(self, target: MutableTarget, name: str, spec: UnitFile, timeout_seconds: float) -> None:
        pid = await self._pid(spec)
        if not pid:
            return
        begun = time.monotonic()
        await target.signal(pid, "TERM")
        killed = False
        while await self._alive(pid):
            waited = time.monotonic() - begun
            if waited > timeout_seconds:
                raise RefusedError(f"{name} (pid {pid}) does not end", reason="service")
            if waited > timeout_seconds / 2 and not killed:
                await target.signal(pid, "KILL")
                killed = True
            await asyncio.sleep(POLL_SECONDS)

    async def _signal(self, target: MutableTarget, spec: UnitFile, signal: str) -> None:
        pid = await self._pid(spec)
        if pid:
            await target.signal(pid, signal)

    async def _spec(self, name: str) -> UnitFile | None:
        if "/" in name or name.startswith("."):
            return None
        text = await self._look.text_or(f"{self._folder}/{name}.json")
        if not text:
            return None
        try:
            spec = msgspec.json.decode(text.encode(), type=UnitFile)
        except msgspec.DecodeError as error:
            raise RefusedError(f"the unit file of '{name}' is wrong: {error}", reason="service") from error
        if not spec.argv or not spec.pidfile.startswith("/"):
            raise RefusedError(f"the unit file of '{name}' needs argv and an absolute pidfile", reason="service")
        return spec

    async def _pid(self, spec: UnitFile) -> int:
        text = (await self._look.text_or(spec.pidfile, max_bytes=32)).strip()
        pid = int(text) if text.isdigit() else 0
        if not pid or not await self._alive(pid):
            return 0
        return pid if await self._began_before_pidfile(pid, spec) else 0

    async def _alive(self, pid: int) -> bool:
        return parse_stat(await self._look.text_or(f"/proc/{pid}/stat")).get("state", "Z") not in {"Z", "X"}

    async def _began_before_pidfile(self, pid: int, spec: UnitFile) -> bool:
        """Guards against a number that was given to another process since."""
        stat = (await self._look.text_or(f"/proc/{pid}/stat")).rpartition(")")[2].split()
        uptime = (await self._look.text_or("/proc/uptime")).split()
        try:
            written = (await self._look.target.status(spec.pidfile)).modified
        except AssistError:
            return False
        if len(stat) < 20 or not uptime:
            return False
        began = time.time() - float(uptime[0]) + int(stat[19]) / 100
        return began <= written + CLOCK_SLACK_SECONDS

    async def _listens(self, port: int) -> bool:
        text = await self._look.linked("/proc/self/net/tcp", "/proc/self/net/tcp6", max_bytes=4 << 20)
        return any(each.port == port for each in parse_proc_net(text))

    async def _log(self, spec: UnitFile) -> tuple[str, ...]:
        if not spec.log:
            return ()
        try:
            raw = await self._look.target.read(spec.log, max_bytes=LOG_BYTES, tail=True)
        except AssistError:
            return ()
        return tuple(raw.decode("utf-8", "replace").splitlines()[-LOG_LINES:])
