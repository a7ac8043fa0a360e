"""The verbs about the whole system: package, registry, wait, ask, reboot."""

import asyncio
import json
import re

from remote_assist.core.catalog.model import Step
from remote_assist.core.catalog.powershell import powershell_argv, powershell_command
from remote_assist.core.target import Command
from remote_assist.diagnostics.look import ENVIRONMENT, Look
from remote_assist.diagnostics.planned import Doing, Json, PlannedStep, Surroundings, words_of
from remote_assist.diagnostics.services.unit import is_remote_access
from remote_assist.diagnostics.verbs.programs import succeeded
from remote_assist.errors import RefusedError

MAX_WAIT_SECONDS = 600.0
PACKAGE_SECONDS = 600.0
QUIETLY = {"DEBIAN_FRONTEND": "noninteractive"}
BOOT_ID = "/proc/sys/kernel/random/boot_id"

_APT = ("apt-get", "-q", "-y", "-o", "Dpkg::Options::=--force-confold", "-o", "DPkg::Lock::Timeout=60")
_APT_WORDS = {"present": ("install",), "absent": ("remove",), "reinstalled": ("install", "--reinstall")}
_CHANGE = re.compile(r"^(Inst|Remv) (\S+)(?: \[(\S+)\])?", re.MULTILINE)

READ_VALUE = """
$key = Get-Item -LiteralPath ('Registry::' + $p.key) -ErrorAction SilentlyContinue
if ($key -and ($key.GetValueNames() -contains $p.name)) {
  $value = $key.GetValue($p.name, $null, 'DoNotExpandEnvironmentNames')
  @{ existed = $true; kind = [string]$key.GetValueKind($p.name); value = $value }
} else { @{ existed = $false } }
"""
WRITE_VALUE = """
$path = 'Registry::' + $p.key
if (-not (Test-Path -LiteralPath $path)) { New-Item -Path $path -Force | Out-Null }
New-ItemProperty -LiteralPath $path -Name $p.name -PropertyType $p.kind -Value $p.value -Force | Out-Null
"""
REMOVE_VALUE = """
Remove-ItemProperty -LiteralPath ('Registry::' + $p.key) -Name $p.name -ErrorAction SilentlyContinue
"""
_REMOTE_KEYS = re.compile(r"(?i)\\(?:Terminal Server|TermService|UmRdpService|sshd|WinRM|WSMAN)(?:\\|$)")


# --- package --------------------------------------------------------------------------------------


async def plan_package(step: Step, around: Surroundings) -> PlannedStep:
    """`package: {name | names, state}` by apt: present, absent, reinstalled. The dry run is apt's own."""
    if not await around.look.exists("/usr/bin/apt-get"):
        raise RefusedError("packages are installed and removed with apt only")
    names = [around.filled(name) for name in words_of(step.arguments["names"])]
    state = str(step.arguments["state"])
    versions = {name: await _installed(name, around.look) for name in names}
    argv = [*_APT, *_APT_WORDS[state], "--", *names]
    dry = await around.look.completed(*argv[:1], "-s", *argv[1:], timeout_seconds=60.0)
    succeeded("apt-get", dry)
    changes = _CHANGE.findall(dry.stdout.decode("utf-8", "replace"))
    undo = _package_undo(changes, state)
    return PlannedStep(
        name=step.name,
        verb=step.verb,
        arguments={"argv": argv, "timeout": PACKAGE_SECONDS},
        before=", ".join(f"{name} is {version or 'not installed'}" for name, version in versions.items()),
        after=_package_text(changes),
        undo_text=" and ".join("runs " + " ".join(words_of(each["argv"])) for each in undo) or "nothing to undo",
        blocked=_package_block(changes, state) or around.root_block,
        observed=dict(versions),
        undo=tuple(undo),
    )


async def do_package(step: PlannedStep, doing: Doing) -> None:
    """Run apt-get."""
    argv = tuple(words_of(step.arguments["argv"]))
    environment = {**ENVIRONMENT, **QUIETLY}
    done = await doing.target.run(Command(argv, environment=environment, timeout_seconds=PACKAGE_SECONDS))
    succeeded("apt-get", done)


async def _installed(name: str, look: Look) -> str:
    done = await look.completed("dpkg-query", "-W", "-f", "${db:Status-Status} ${Version}", "--", name)
    status, _, version = done.stdout.decode("utf-8", "replace").partition(" ")
    return version.strip() if done.status == 0 and status == "installed" else ""


def _package_text(changes: list[tuple[str, str, str]]) -> str:
    installs = [name for kind, name, _ in changes if kind == "Inst"]
    removes = [name for kind, name, _ in changes if kind == "Remv"]
    parts = [f"installs {', '.join(installs)}"] if installs else []
    return "; ".join([*parts, *([f"removes {', '.join(removes)}"] if removes else [])]) or "no change"


def _package_block(changes: list[tuple[str, str, str]], state: str) -> str:
    removed = [name for kind, name, _ in changes if kind == "Remv"]
    if is_remote_access(*removed):
        return "refuses to remove a package that gives remote access"
    return f"would remove {', '.join(removed)}" if removed and state != "absent" else ""


def _package_undo(changes: list[tuple[str, str, str]], state: str) -> list[Json]:
    new = [name for kind, name, before in changes if kind == "Inst" and not before]
    older = [
        f"{name}={before}" for kind, name, before in changes if before and (kind == "Remv" or state != "reinstalled")
    ]
    undo: list[Json] = []
    if older:
        undo.append({"verb": "command", "argv": [*_APT, "--allow-downgrades", "install", "--", *older]})
    if new:
        undo.append({"verb": "command", "argv": [*_APT, "remove", "--", *new]})
    return [{**each, "env": QUIETLY, "timeout": PACKAGE_SECONDS} for each in undo]


# --- registry -------------------------------------------------------------------------------------


async def plan_registry(step: Step, around: Surroundings) -> PlannedStep:
    """`registry: {key, name, type, value}` or `state: absent`: one value of the Windows registry."""
    if around.look.target.platform != "windows":
        raise RefusedError("the registry is Windows'")
    place = {"key": around.filled(str(step.arguments["key"])), "name": around.filled(str(step.arguments["name"]))}
    if _REMOTE_KEYS.search(place["key"]):
        raise RefusedError("refuses to change how remote access works")
    seen = await _registry_value(place, around.look)
    wanted: Json = {"absent": True} if step.arguments["state"] == "absent" else _registry_wanted(step, around)
    name = f"{place['key']}\\{place['name']}"
    return PlannedStep(
        name=step.name,
        verb=step.verb,
        arguments={**place, **wanted},
        before=f"{name} is {seen.get('value')}" if seen["existed"] else f"{name} is not set",
        after=f"{name} is not set" if wanted.get("absent") else f"{name} is {wanted['value']}",
        undo_text=f"sets it to {seen.get('value')} again" if seen["existed"] else "removes it",
        blocked=around.root_block,
        observed=seen,
        undo=({"verb": "registry", **place, **seen},),
    )


async def do_registry(step: PlannedStep, doing: Doing) -> None:
    """Write or remove the value."""
    text = REMOVE_VALUE if step.arguments.get("absent") else WRITE_VALUE
    succeeded("powershell.exe", await doing.target.run(powershell_command(text, step.arguments, result=False)))


def _registry_wanted(step: Step, around: Surroundings) -> Json:
    kind, value = str(step.arguments["type"]), around.filled(str(step.arguments["value"]))
    return {"kind": kind, "value": int(value) if kind in {"DWord", "QWord"} else value}


async def _registry_value(place: dict[str, str], look: Look) -> Json:
    printed = await look.run(*powershell_argv(READ_VALUE, place), timeout_seconds=30.0)
    rows = json.loads(printed)
    if not isinstance(rows, list) or not rows or not isinstance(rows[0], dict) or "existed" not in rows[0]:
        raise RefusedError("the registry's answer cannot be read")
    return {key: rows[0][key] for key in ("existed", "kind", "value") if key in rows[0]}


# --- wait, ask, reboot ----------------------------------------------------------------------------


async def plan_wait(step: Step, _around: Surroundings) -> PlannedStep:
    """`wait: {for: 5s}`, at most ten minutes."""
    seconds = min(float(str(step.arguments["seconds"])), MAX_WAIT_SECONDS)
    return PlannedStep(step.name, step.verb, {"seconds": seconds}, "", f"waits {seconds:g} s", "nothing to undo")


async def do_wait(step: PlannedStep, _doing: Doing) -> None:
    """Wait."""
    await asyncio.sleep(float(str(step.arguments["seconds"])))


async def plan_ask(step: Step, around: Surroundings) -> PlannedStep:
    """`ask: {text}`: the customer says yes at this computer, or the fix is undone."""
    text = around.filled(str(step.arguments["text"]))
    blocked = "" if around.can_ask else "nobody can be asked at that computer"
    return PlannedStep(step.name, step.verb, {"text": text}, "", f"asks there: {text}", "nothing to undo", blocked)


async def do_ask(step: PlannedStep, doing: Doing) -> None:
    """Ask; a no or silence is a failure."""
    if not await doing.ask(str(step.arguments["text"])):
        raise RefusedError("the customer did not say yes", reason="denied")


async def plan_reboot(step: Step, around: Surroundings) -> PlannedStep:
    """`reboot: {}`, always the last step; whether the fix helped is looked at after the restart."""
    argv = await _reboot_argv(around.look)
    boot = (await around.look.text_or(BOOT_ID)).strip()
    return PlannedStep(
        name=step.name,
        verb=step.verb,
        arguments={"argv": argv},
        before="",
        after="restarts this computer; whether it helped is looked at when this program starts again",
        undo_text="nothing to undo",
        blocked="" if around.elevated else "needs root",
        undo=({"verb": "reboot", "boot": boot, **around.fix},),
    )


async def do_reboot(step: PlannedStep, doing: Doing) -> None:
    """Ask the system to restart."""
    argv = tuple(words_of(step.arguments["argv"]))
    succeeded(argv[0], await doing.target.run(Command(argv, environment=ENVIRONMENT, timeout_seconds=30.0)))


async def _reboot_argv(look: Look) -> list[str]:
    if look.target.platform == "windows":
        return ["shutdown.exe", "/r", "/t", "5"]
    if look.target.platform == "linux" and await look.exists("/run/systemd/system"):
        return ["systemctl", "reboot"]
    return ["shutdown", "-r", "now"]
