"""The service keepers of Windows and macOS. Written from their documentation; unverified on real systems."""

import json
import re

from remote_assist.core.catalog.powershell import powershell_argv, powershell_command
from remote_assist.core.target import Command, MutableTarget
from remote_assist.diagnostics.look import ENVIRONMENT, Look, Unavailable
from remote_assist.diagnostics.services.unit import Unit
from remote_assist.errors import RefusedError

FIND = """
$found = Get-Service -Name $p.name -ErrorAction SilentlyContinue
if ($found) { @{ name = $found.Name; state = [string]$found.Status; shown = $found.DisplayName } }
"""
ACT = {
    "start": "Start-Service -Name $p.name",
    "stop": "Stop-Service -Name $p.name -Force",
    "restart": "Restart-Service -Name $p.name -Force",
    "reload": "Restart-Service -Name $p.name -Force",
}
_STATES = {"Running": "active", "StartPending": "activating", "Stopped": "inactive", "StopPending": "inactive"}


class WindowsServices:
    """The service control manager, by PowerShell."""

    name = "scm"
    needs_root = True

    def __init__(self, look: Look) -> None:
        self._look = look

    async def units(self) -> list[Unit]:
        """None: the collector `services` asks for all of them at once."""
        return []

    async def unit(self, name: str) -> Unit:
        """One service by its name."""
        try:
            printed = await self._look.run(*powershell_argv(FIND, {"name": name}), timeout_seconds=30.0)
            rows = json.loads(printed)
        except (Unavailable, ValueError):
            return Unit(name, "unknown")
        row = rows[0] if isinstance(rows, list) and rows and isinstance(rows[0], dict) else {}
        state = _STATES.get(str(row.get("state", "")), "unknown")
        return Unit(name, state, names=(name, str(row.get("name", name)))) if row else Unit(name, "unknown")

    async def unit_of(self, _pid: int) -> str:
        """Not asked for here."""
        return ""

    async def act(self, target: MutableTarget, name: str, verb: str, timeout_seconds: float) -> None:
        """Start-Service and its kin, which return when it is so."""
        command = powershell_command(ACT[verb], {"name": name}, timeout_seconds=timeout_seconds, result=False)
        done = await target.run(command)
        if done.status != 0 or done.timed_out:
            said = done.stderr.decode("utf-8", "replace").strip().partition("\n")[0][:200]
            raise RefusedError(f"{verb} {name}: {said or f'status {done.status}'}", reason="service")


class Launchd:
    """launchctl, for services of the system."""

    name = "launchd"
    needs_root = True

    def __init__(self, look: Look) -> None:
        self._look = look

    async def units(self) -> list[Unit]:
        """None: the collector `services` asks for all of them at once."""
        return []

    async def unit(self, name: str) -> Unit:
        """One service by its label."""
        done = await self._look.completed("launchctl", "print", f"system/{name}")
        if done.status != 0:
            return Unit(name, "unknown")
        text = done.stdout.decode("utf-8", "replace")
        found = re.search(r"(?m)^\s*pid = (\d{1,9})$", text)
        return Unit(name, "active" if found else "inactive", pid=int(found[1]) if found else 0, names=(name,))

    async def unit_of(self, _pid: int) -> str:
        """Not asked for here."""
        return ""

    async def act(self, target: MutableTarget, name: str, verb: str, timeout_seconds: float) -> None:
        """kickstart starts, with -k restarts; a stop is a signal."""
        argv = {
            "start": ("launchctl", "kickstart", f"system/{name}"),
            "stop": ("launchctl", "kill", "SIGTERM", f"system/{name}"),
        }.get(verb, ("launchctl", "kickstart", "-k", f"system/{name}"))
        done = await target.run(Command(argv, environment=ENVIRONMENT, timeout_seconds=timeout_seconds))
        if done.status != 0 or done.timed_out:
            raise RefusedError(f"{' '.join(argv)}: status {done.status}", reason="service")
