"""Whether a fix helped: its verifies over facts collected anew, right after the steps or after a restart."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from remote_assist.core.catalog.fix_parameters import check_parameters
from remote_assist.core.catalog.model import Catalog, Fix, Precheck, Verify
from remote_assist.core.catalog.templates import MissingValue, fill
from remote_assist.core.conditions import Conditions, Unknown, names_in
from remote_assist.core.target import Target
from remote_assist.diagnostics.collect import collect_facts
from remote_assist.diagnostics.verbs.system import BOOT_ID
from remote_assist.errors import AssistError, RefusedError

Clock = Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class Verifier:
    """One fix's verifies on one machine. `say` is told of every try."""

    catalog: Catalog
    fix: Fix
    values: Mapping[str, object]
    target: Target
    clock: Clock
    services_folder: str = ""
    say: Callable[[], None] = lambda: None

    async def why_not(self) -> str:
        """Empty when every verify holds; else why the first one does not."""
        for verify in self.fix.verify:
            if reason := await self._reason(verify):
                return reason
        return ""

    async def _reason(self, verify: Verify) -> str:
        conditions = conditions_for(self.fix, self.catalog)
        names = [*verify.collect, *sorted(names_in(verify.when) & set(self.catalog.collectors))]
        reason = ""
        for attempt in range(verify.retries):
            if attempt:
                await asyncio.sleep(verify.delay_seconds)
            self.say()
            holds = conditions.holds(verify.when, {"params": self.values, **await self._facts(names)})
            if holds is True:
                return ""
            said = in_words(verify, self.values)
            reason = f"cannot be checked: {said} ({holds.reason})" if isinstance(holds, Unknown) else f"not so: {said}"
        return reason

    async def _facts(self, names: Iterable[str]) -> dict[str, object]:
        found = await collect_facts(
            self.catalog, names, self.target, clock=self.clock, services_folder=self.services_folder
        )
        return found.facts


@dataclass(frozen=True, slots=True)
class Restarted:
    """What a half-done fix left in its journal when its last step was a restart."""

    fix: str
    version: int
    digest: str
    parameters: dict[str, str]
    boot: str

    @classmethod
    def of(cls, records: Iterable[tuple[str, Mapping[str, object]]]) -> "Restarted | None":
        """From undo records; None when the last one is no restart."""
        last = next(reversed([record for _, record in records]), {})
        given = last.get("parameters")
        if last.get("verb") != "reboot" or not isinstance(given, dict):
            return None
        return cls(
            fix=str(last.get("id", "")),
            version=int(str(last.get("version", 0))),
            digest=str(last.get("digest", "")),
            parameters={str(name): str(value) for name, value in given.items()},
            boot=str(last.get("boot", "")),
        )

    async def is_over(self, target: Target) -> bool:
        """Whether the machine has started anew since."""
        try:
            now = (await target.read(BOOT_ID, max_bytes=100)).decode("ascii", "replace").strip()
        except AssistError:
            return True  # this system numbers no starts; a verify that does not hold says so
        return now != self.boot

    async def why_not(self, catalog: Catalog, target: Target, clock: Clock, services_folder: str) -> str:
        """Empty when the plan's verifies hold now. Raises RefusedError when this catalog has not that very fix."""
        fix = catalog.fixes.get(self.fix)
        if fix is None or (fix.version, fix.digest) != (self.version, self.digest):
            raise RefusedError(f"the fix {self.fix} is not the one of before the restart", reason="catalog-differs")
        values = check_parameters(fix, self.parameters)
        return await Verifier(catalog, fix, values, target, clock, services_folder).why_not()


def needed_facts(fix: Fix, catalog: Catalog) -> list[str]:
    """Collectors the prechecks and verifies of a fix refer to."""
    words = {name for check in fix.prechecks for name in names_in(check.when)}
    words |= {name for verify in fix.verify for name in (*names_in(verify.when), *verify.collect)}
    return sorted(words & set(catalog.collectors))


def conditions_for(fix: Fix, catalog: Catalog) -> Conditions:
    """The names a fix's conditions may use: `params` and the collectors."""
    return Conditions({"params", *needed_facts(fix, catalog)})


def in_words(condition: Precheck | Verify, values: Mapping[str, object]) -> str:
    """A condition as people read it."""
    return filled(condition.says, values) if condition.says else condition.when


def filled(text: str, values: Mapping[str, object]) -> str:
    """A text of a fix with its parameters; `?` where one is missing."""
    try:
        return fill(text, {"params": values})
    except MissingValue:
        return text
