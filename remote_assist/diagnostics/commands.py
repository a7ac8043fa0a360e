"""Collectors that are a command in the catalog: an argv list (or constant PowerShell) and how its output is read."""

import re
from dataclasses import replace

import msgspec

from remote_assist.core.catalog.model import ExtractSpec, Implementation
from remote_assist.core.catalog.powershell import powershell_argv
from remote_assist.core.target import Command
from remote_assist.diagnostics.catalog_section import size_in_bytes
from remote_assist.diagnostics.look import ENVIRONMENT, Gathered, Look, Unavailable
from remote_assist.errors import AssistError

MAX_LINE_CHARS = 1000
"""Patterns of the catalog see no longer line than this, whatever a program prints."""

OUTPUT_BYTES = 1 << 20


async def run_command(implementation: Implementation, look: Look) -> Gathered:
    """Run the argv; JSON output becomes the facts, text output what `extract` finds in it."""
    spec = implementation.command
    assert spec is not None
    command = Command(
        spec.argv,
        environment={**ENVIRONMENT, **spec.environment},
        timeout_seconds=spec.timeout_seconds,
        max_bytes=OUTPUT_BYTES,
    )
    return await _run(command, implementation, look)


async def run_powershell(implementation: Implementation, look: Look, limit: float) -> Gathered:
    """Run constant PowerShell text; its results arrive as a JSON list."""
    command = Command(powershell_argv(implementation.powershell), timeout_seconds=limit, max_bytes=OUTPUT_BYTES)
    return await _run(command, replace(implementation, output="json"), look)


async def _run(command: Command, implementation: Implementation, look: Look) -> Gathered:
    try:
        done = await look.target.run(replace(command, niceness=look.niceness))
    except AssistError as error:
        raise Unavailable(error.message) from error
    if done.timed_out:
        raise Unavailable(f"{command.argv[0]} did not end within {command.timeout_seconds:g} s")
    if done.status != 0:
        reason = done.stderr.decode("utf-8", "replace").strip().partition("\n")[0][:200]
        raise Unavailable(f"{command.argv[0]}: {reason or f'ended with status {done.status}'}")
    if implementation.output == "json":
        return Gathered(msgspec.json.decode(done.stdout), cut=done.truncated)
    return Gathered(extracted(done.stdout.decode("utf-8", "replace"), implementation.extract), cut=done.truncated)


def extracted(text: str, specs: dict[str, ExtractSpec]) -> dict[str, object]:
    """The first value each pattern finds, line by line, in its type; what is not found is absent."""
    facts: dict[str, object] = {}
    lines = [line[:MAX_LINE_CHARS] for line in text.splitlines()]
    for name, spec in specs.items():
        pattern = re.compile(spec.regex)
        match = next((found for line in lines if (found := pattern.search(line))), None)
        if match is not None:
            raw = match[name] if name in pattern.groupindex else match[match.lastindex or 0]
            facts[name] = _value(raw, spec.type)
    return facts


def _value(raw: str, kind: str) -> object:
    if kind == "int":
        return int(raw)
    if kind == "double":
        return float(raw)
    if kind == "size":
        size = size_in_bytes(raw)
        if size is None:
            raise ValueError(f"{raw!r} is no size")
        return size
    return raw
