"""Fixes of Windows and macOS: planned, done and undone over recorded answers; never run on real systems yet."""

import base64
import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest

from remote_assist.core.catalog.model import Catalog, Step
from remote_assist.core.catalog.powershell import script_of
from remote_assist.core.target import Command, Completed, FileStatus
from remote_assist.diagnostics.fixes import apply_plan, plan_fix, undo_fix
from remote_assist.diagnostics.look import Look
from remote_assist.diagnostics.planned import Surroundings
from remote_assist.diagnostics.steps import plan_step
from remote_assist.errors import AssistError

NOW = datetime(2026, 11, 29, 7, tzinfo=UTC)


class PlayedWindows:
    """Answers the PowerShell of the catalog as Windows would, from a small state of its own."""

    platform = "windows"

    def __init__(self) -> None:
        self.services = dict.fromkeys(("wuauserv", "bits", "cryptsvc"), "Running") | {"Spooler": "Stopped"}
        self.proxy_on = 1
        self.firewall = 0
        self.folders = {r"C:\Windows\System32\spool\PRINTERS", r"C:\Windows\SoftwareDistribution"}
        self.stubborn = False

    async def run(self, command: Command) -> Completed:
        if command.argv[0] != "powershell.exe":
            return Completed(0, b"ok", b"", 0.0)
        text = script_of(command.argv)
        return Completed(0, json.dumps(self._answer(text)).encode(), b"", 0.0)

    def _answer(self, text: str) -> list[Any]:
        given = _parameters(text)
        name = str(given.get("name", ""))
        if "Get-Service -Name $p.name" in text:
            return [{"name": name, "state": self.services[name]}] if name in self.services else []
        for verb, state in (("Start-Service", "Running"), ("Stop-Service", "Stopped"), ("Restart-Service", "Running")):
            if f"{verb} -Name $p.name" in text:
                self.services[name] = state
        if "Win32_Service |" in text:
            words = {"Running": "active", "Stopped": "inactive"}
            return [{"name": name, "state": words[state]} for name, state in self.services.items()]
        if "GetValueKind" in text:
            return [{"existed": True, "kind": "DWord", "value": self.proxy_on}]
        if "New-ItemProperty" in text:
            self.proxy_on = int(str(given["value"])) if not self.stubborn else self.proxy_on
        if "ProxyEnable -eq 1" in text:
            return [{"kind": "system", "host": "127.0.0.1", "port": 8080}] if self.proxy_on else []
        if "Set-NetFirewallProfile" in text:
            self.firewall = 3 if "True" in text.rpartition("Set-NetFirewallProfile")[2] else 0
        if "DefaultInboundAction" in text:
            return [{"tool": "windows-firewall", "profiles_on": self.firewall, "input_policy": "drop"}]
        if "Get-NetFirewallProfile | ForEach" in text:
            return ["Public False"]
        if "Get-PrintJob" in text:
            waits = r"C:\Windows\System32\spool\PRINTERS" in self.folders
            return [{"name": "Office", "state": "offline", "jobs": 4 if waits else 0}]
        if "RebootRequired" in text:
            return [{"reboot_required": False}]
        return []

    async def status(self, path: str) -> FileStatus:
        if path not in self.folders:
            raise AssistError(f"{path} does not exist")
        return FileStatus(path, "folder", 0, 0o755, 0.0, device=1, inode=abs(hash(path.partition(".ra-")[0])))

    async def move(self, path: str, to: str) -> None:
        self.folders = (self.folders - {path}) | {to}

    async def read(self, path: str, *, max_bytes: int, tail: bool = False) -> bytes:
        raise AssistError("no such file")


def _parameters(text: str) -> dict[str, Any]:
    found = re.search(r"FromBase64String\('([^']*)'\)", text)
    assert found
    given: dict[str, Any] = json.loads(base64.b64decode(found[1]))
    return given


class Notes:
    """Undo records in memory."""

    def __init__(self) -> None:
        self.records: list[tuple[str, dict[str, object]]] = []

    async def note(self, step: str, undo: dict[str, object]) -> None:
        self.records.append((step, undo))


CASES: dict[str, dict[str, str]] = {
    "windows.service.start": {"unit": "Spooler"},
    "windows.printer.clear-queue": {},
    "windows.updates.reset-components": {},
    "windows.proxy.off": {},
    "windows.firewall.on": {},
}


@pytest.mark.parametrize("fix", CASES)
async def test_a_fix_of_windows_resolves_and_can_be_taken_back(catalog: Catalog, fix: str) -> None:
    machine: Any = PlayedWindows()
    before = (dict(machine.services), set(machine.folders), machine.proxy_on, machine.firewall)
    notes = Notes()
    prepared = await plan_fix(catalog, fix, CASES[fix], machine, elevated=True, clock=lambda: NOW)
    assert prepared.plan.runnable, prepared.plan.why_not
    assert (dict(machine.services), set(machine.folders), machine.proxy_on, machine.firewall) == before
    result = await apply_plan(prepared, machine, progress=lambda _: None, undo=notes)
    assert result.status == "resolved", result
    assert (dict(machine.services), set(machine.folders), machine.proxy_on, machine.firewall) != before
    await undo_fix(notes.records, machine, progress=lambda _: None, clock=lambda: NOW)
    assert (dict(machine.services), set(machine.folders), machine.proxy_on, machine.firewall) == before


async def test_a_registry_value_that_does_not_stick_is_put_back(catalog: Catalog) -> None:
    machine: Any = PlayedWindows()
    machine.stubborn = True
    prepared = await plan_fix(catalog, "windows.proxy.off", {}, machine, elevated=False, clock=lambda: NOW)
    result = await apply_plan(prepared, machine, progress=lambda _: None, undo=Notes())
    assert result.status == "rolled-back"


@pytest.mark.parametrize("unit", ["TermService", "WinRM", "sshd", "Dhcp"])
async def test_remote_access_of_windows_is_never_stopped(catalog: Catalog, unit: str) -> None:
    machine: Any = PlayedWindows()
    machine.services[unit] = "Running"
    step = Step("x", "service", {"names": (unit,), "state": "stopped", "timeout": 5.0})
    planned = await plan_step(step, Surroundings(Look(machine, now=NOW), {}, elevated=True, needs_root=True))
    assert "remote access" in planned.blocked
    key = {"key": r"HKLM\SYSTEM\CurrentControlSet\Control\Terminal Server", "name": "x", "state": "present"}
    step = Step("x", "registry", {**key, "type": "DWord", "value": "1"})
    planned = await plan_step(step, Surroundings(Look(machine, now=NOW), {}, elevated=True, needs_root=True))
    assert "remote access" in planned.blocked
