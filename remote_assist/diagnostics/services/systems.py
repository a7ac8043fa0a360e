"""The two service keepers of Linux systems: systemd and init scripts."""

import asyncio
import re
from dataclasses import replace

from remote_assist.core.target import Command, FileStatus, MutableTarget
from remote_assist.diagnostics.linux_formats import parse_assignments
from remote_assist.diagnostics.look import ENVIRONMENT, Look, Unavailable, together
from remote_assist.diagnostics.services.unit import LOG_LINES, Unit, port_in_use
from remote_assist.errors import AssistError, RefusedError

MAX_SCRIPTS = 24
MAX_FAILED = 20
RECENT_SECONDS = 3600
"""How old a log may be to explain why an init script's service is down."""

LOG_TAIL_BYTES = 8 << 10
MAX_ANCESTORS = 4
"""How far up from a listening process its service's first process is looked for."""

LAST_WORDS = 8
"""Lines at the end of a log that count: older ones are about an earlier start."""

_STATE_WORDS = {"active": "active", "reloading": "active", "failed": "failed", "activating": "activating"}


class Systemd:
    """systemctl and journalctl."""

    name = "systemd"
    needs_root = True

    def __init__(self, look: Look) -> None:
        self._look = look

    async def units(self) -> list[Unit]:
        """Running and failed services."""
        text = await self._look.run(
            "systemctl", "list-units", "--type=service", "--state=active,failed,activating",
            "--plain", "--no-legend", "--no-pager", "--full",
        )  # fmt: skip
        found = [parts[0:4] for line in text.splitlines() if len(parts := line.split(None, 4)) >= 4]
        failed = [parts[0] for parts in found if parts[2] == "failed"][:MAX_FAILED]
        logs = dict(zip(failed, await together(self._log(name) for name in failed), strict=True))
        return [
            Unit(
                name=parts[0],
                state=_STATE_WORDS.get(parts[2], "inactive"),
                port=port_in_use(logs.get(parts[0], ())),
                log=logs.get(parts[0], ()),
            )
            for parts in found
        ]

    async def unit(self, name: str) -> Unit:
        """One service by any of its names."""
        shown = parse_assignments(
            await self._look.run("systemctl", "show", "-p", "Id,Names,LoadState,ActiveState,MainPID", "--", name)
        )
        if shown.get("LoadState") != "loaded":
            return Unit(name, "unknown")
        state = _STATE_WORDS.get(shown.get("ActiveState", ""), "inactive")
        names = (shown.get("Id", name), *shown.get("Names", "").split())
        return Unit(name, state, pid=int(shown.get("MainPID") or 0), names=names)

    async def unit_of(self, pid: int) -> str:
        """From the control group, as systemd names it."""
        found = re.findall(r"/([^/\n]+\.service)(?:/|$)", await self._look.text_or(f"/proc/{pid}/cgroup"))
        return found[-1] if found else ""

    async def act(self, target: MutableTarget, name: str, verb: str, timeout_seconds: float) -> None:
        """systemctl; a failed service is cleared first, or its start limit would refuse it."""
        if verb == "start":
            await _program(target, ("systemctl", "reset-failed", "--", name), timeout_seconds, may_fail=True)
        await _program(target, ("systemctl", verb, "--", name), timeout_seconds)

    async def _log(self, name: str) -> tuple[str, ...]:
        try:
            argv = ("journalctl", "-u", name, "-n", str(LOG_LINES), "-o", "cat", "--no-pager", "-q")
            return tuple((await self._look.run(*argv)).splitlines())
        except Unavailable:
            return ()


class InitScripts:
    """/etc/init.d by `service NAME`; `status` answers 0 running, 3 stopped, else unknown (LSB)."""

    name = "sysv"
    needs_root = True

    def __init__(self, look: Look) -> None:
        self._look = look

    async def units(self) -> list[Unit]:
        """Every script that knows its state."""
        entries = await self._look.folder("/etc/init.d", max_entries=200)
        names = [name for each in entries if (name := each.path.rpartition("/")[2]) and "." not in name]
        slots = asyncio.Semaphore(4)

        async def one(name: str) -> Unit:
            async with slots:
                return await self.unit(name)

        units = await together(one(name) for name in names[:MAX_SCRIPTS] if name != "README")
        return list(await together(self._why_down(unit) for unit in units if unit.state != "unknown"))

    async def unit(self, name: str) -> Unit:
        """One script's own answer."""
        try:
            done = await self._look.completed("service", name, "status", timeout_seconds=2.0)
        except Unavailable:
            return Unit(name, "unknown")
        pid = 0
        recorded = (await self._look.text_or(f"/run/{name}.pid")).strip()
        if recorded.isdigit():
            pid = int(recorded)
        state = {0: "active", 1: "failed", 3: "inactive"}.get(done.status, "unknown")
        return Unit(name, state, pid=pid)

    async def _why_down(self, unit: Unit) -> Unit:
        """A stopped service whose own recent log ends with a taken port did not stop: it failed to start.

        Init scripts remember no failure, so the log is the only witness.
        """
        if unit.state == "active":
            return unit
        for path in (f"/var/log/{unit.name}/error.log", f"/var/log/{unit.name}.log"):
            lines = await self._recent_lines(path)
            if port := port_in_use(lines):
                return replace(unit, state="failed", port=port, log=lines)
        return unit

    async def _recent_lines(self, path: str) -> tuple[str, ...]:
        try:
            status = await self._look.target.status(path)
            if status.kind != "file" or self._look.now.timestamp() - status.modified > RECENT_SECONDS:
                return ()
            text = await self._look.text(path, max_bytes=LOG_TAIL_BYTES, tail=True)
        except AssistError:
            return ()
        return tuple(text.splitlines()[-LAST_WORDS:])

    async def unit_of(self, pid: int) -> str:
        """From the process id files in /run, which name a service's first process: its children count too."""
        owners = await self._look.once("pid-files", _pid_files)
        for _ in range(MAX_ANCESTORS):
            if pid <= 1 or pid in owners:
                break
            pid = await self._parent(pid)
        return owners.get(pid, "")

    async def _parent(self, pid: int) -> int:
        fields = (await self._look.text_or(f"/proc/{pid}/stat")).rpartition(")")[2].split()
        return int(fields[1]) if len(fields) > 1 else 0

    async def act(self, target: MutableTarget, name: str, verb: str, timeout_seconds: float) -> None:
        """service NAME VERB."""
        await _program(target, ("service", name, verb), timeout_seconds)


async def _pid_files(look: Look) -> dict[int, str]:
    """First process → service, from /run/NAME.pid and /run/NAME/ANY.pid."""
    owners: dict[int, str] = {}
    for entry in await look.folder("/run", max_entries=500):
        name = entry.path.rpartition("/")[2]
        if entry.kind == "folder":
            inside = await look.folder(entry.path, max_entries=20)
            owners.update({pid: name for each in inside if (pid := await _pid_in(look, each))})
        elif pid := await _pid_in(look, entry):
            owners[pid] = name.removesuffix(".pid")
    return owners


async def _pid_in(look: Look, entry: FileStatus) -> int:
    if entry.kind != "file" or not entry.path.endswith(".pid") or entry.size_bytes >= 32:
        return 0
    text = (await look.text_or(entry.path)).strip()
    return int(text) if text.isdigit() else 0


async def _program(
    target: MutableTarget, argv: tuple[str, ...], timeout_seconds: float, *, may_fail: bool = False
) -> None:
    done = await target.run(Command(argv, environment=ENVIRONMENT, timeout_seconds=timeout_seconds))
    if may_fail or (done.status == 0 and not done.timed_out):
        return
    reason = done.stderr.decode("utf-8", "replace").strip().partition("\n")[0][:200]
    if done.timed_out:
        reason = f"did not end within {timeout_seconds:g} s"
    raise RefusedError(f"{' '.join(argv)}: {reason or f'status {done.status}'}", reason="service")
