"""A step of a fix as it will be done, and what planning and doing one needs.

Rule 1: planning changes nothing; it observes, and says what would change and why it may not run (`blocked`).
Rule 2: every change has an undo record made from what was observed before it; diagnostics/undo.py carries it out.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from remote_assist.core.catalog.templates import fill
from remote_assist.core.target import MutableTarget
from remote_assist.diagnostics.look import Look

Json = dict[str, object]

Ask = Callable[[str], Awaitable[bool]]
"""Puts a question to the customer at the agent's own screen; silence is a no."""

NEEDS_ROOT = "needs root"


async def nobody(_question: str) -> bool:
    """The answer where there is no screen to ask at."""
    return False


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """A step as it will be done. `observed` is what must still be so; `undo` the records that reverse it.

    `irreversible`: why it cannot be undone, empty where it can.
    """

    name: str
    verb: str
    arguments: Json
    before: str
    after: str
    undo_text: str
    blocked: str = ""
    observed: Json = field(default_factory=dict)
    undo: tuple[Json, ...] = ()
    irreversible: str = ""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What planning a step needs: the machine, the checked parameters, whether root and a person are at hand.

    `fix` names the fix for a step that outlives this program (a restart): id, version, digest, parameters as given.
    """

    look: Look
    values: Mapping[str, object]
    elevated: bool
    needs_root: bool
    can_ask: bool = False
    fix: Mapping[str, object] = field(default_factory=dict)
    run: str = ""

    def filled(self, template: str) -> str:
        """A template of the catalog with the parameters in it, and `{run.id}`, which no two plans share."""
        return fill(template, {"params": self.values, "run": {"id": self.run}})

    @property
    def root_block(self) -> str:
        """Why a change that needs root may not run, or empty."""
        return NEEDS_ROOT if self.needs_root and not self.elevated else ""


@dataclass(frozen=True, slots=True)
class Doing:
    """What doing a planned step needs."""

    look: Look
    target: MutableTarget
    ask: Ask = nobody


def items_of(value: object) -> list[object]:
    """A list of the catalog, whatever kind of sequence it came as."""
    return list(value) if isinstance(value, list | tuple) else []


def words_of(value: object) -> list[str]:
    """The same, as texts."""
    return [str(item) for item in items_of(value)]
