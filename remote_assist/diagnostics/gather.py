"""One collector, run once: its implementation for this platform, its limits, its types. Raises cancellation only."""

import asyncio
import json
import time
from dataclasses import dataclass, field

from remote_assist.core.catalog.model import Collector, FieldSpec, Implementation
from remote_assist.diagnostics.builtins import BUILTINS
from remote_assist.diagnostics.commands import run_command, run_powershell
from remote_assist.diagnostics.look import Gathered, Look, Unavailable
from remote_assist.errors import AssistError


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a collector fared. `status`: ok, cut, failed, timed-out or unavailable; facts only with ok and cut."""

    status: str
    facts: object = None
    texts: dict[str, str] = field(default_factory=dict)
    reason: str = ""
    seconds: float = 0.0

    @property
    def usable(self) -> bool:
        return self.status in {"ok", "cut"}


async def gather(collector: Collector, look: Look) -> Outcome:
    """Run a collector within its limits."""
    begun = time.monotonic()

    def ended(status: str, reason: str) -> Outcome:
        return Outcome(status, reason=reason, seconds=time.monotonic() - begun)

    implementation = next((each for each in collector.implementations if each.platform == look.target.platform), None)
    if implementation is None:
        return ended("unavailable", f"not available on {look.target.platform}")
    limit = implementation.timeout_seconds or collector.timeout_seconds
    try:
        async with asyncio.timeout(limit):
            gathered = await _run(implementation, look, limit)
        facts, cut = _fitted(collector, gathered)
    except TimeoutError:
        return ended("timed-out", f"did not end within {limit:g} s")
    except Unavailable as error:
        return ended("unavailable", error.message)
    except (AssistError, ValueError, LookupError, TypeError, ArithmeticError, OSError, RecursionError) as error:
        return ended("failed", f"{type(error).__name__}: {error}")
    texts = {name: text[-collector.max_bytes :] for name, text in gathered.texts.items()}
    return Outcome("cut" if cut else "ok", facts, texts, seconds=time.monotonic() - begun)


async def _run(implementation: Implementation, look: Look, limit: float) -> Gathered:
    if implementation.command is not None:
        return await run_command(implementation, look)
    if implementation.powershell:
        return await run_powershell(implementation, look, limit)
    work = BUILTINS.get((implementation.platform, implementation.builtin))
    if work is None:
        raise Unavailable(f"this agent has no collector '{implementation.builtin}' for {implementation.platform}")
    return await work(look)


def _fitted(collector: Collector, gathered: Gathered) -> tuple[object, bool]:
    """The facts, typed and within the collector's limits, and whether something was left out."""
    facts, cut = gathered.facts, gathered.cut
    if collector.rows:
        if not isinstance(facts, list):
            raise ValueError("expected a list of rows")
        facts, cut = (
            [_typed(row, collector.rows) for row in facts[: collector.max_rows]],
            cut or (len(facts) > collector.max_rows),
        )
        while len(json.dumps(facts)) > collector.max_bytes and facts:
            facts, cut = facts[: len(facts) // 2], True
    elif collector.fields:
        if isinstance(facts, list) and len(facts) == 1:
            facts = facts[0]  # PowerShell's results are always a list
        facts = _typed(facts, collector.fields)
    if not isinstance(facts, list) and len(json.dumps(facts)) > collector.max_bytes:
        raise ValueError(f"the facts are longer than {collector.max_bytes} bytes")
    return facts, cut


def _typed(row: object, fields: dict[str, FieldSpec]) -> dict[str, object]:
    """The declared facts of a row; what the catalog does not declare does not leave the machine."""
    if not isinstance(row, dict):
        raise ValueError("expected a mapping")
    return {key: _typed_value(key, row[key], spec) for key, spec in fields.items() if row.get(key) is not None}


def _typed_value(key: str, value: object, spec: FieldSpec) -> object:
    if spec.type == "double" and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    fits = {
        "int": isinstance(value, int) and not isinstance(value, bool),
        "double": isinstance(value, float),
        "bool": isinstance(value, bool),
        "list": isinstance(value, list),
        "map": isinstance(value, dict),
    }
    if not fits.get(spec.type, isinstance(value, str)):
        raise ValueError(f"the fact '{key}' is not of type {spec.type}")
    return value
