"""What a catalog holds: collectors, bundles, known issues and fixes, as plain frozen values.

Rule 1: content is data. Nothing here runs; `diagnostics` interprets it.
Rule 2: an item is named by id + version + digest, the SHA-256 of its canonical JSON, wherever it travels.
The format these values come from is docs/catalog.md; the reader is diagnostics/catalog_loader.py.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

API_VERSION = "remote-assist/v1"

PLATFORMS = ("linux", "macos", "windows")
SENSITIVITIES = ("public", "internal", "pii", "secret")
SEVERITIES = ("info", "low", "medium", "high", "critical")
FIELD_TYPES = ("string", "int", "double", "bool", "time", "unit", "path", "name", "list", "map")
"""`string` is free text and fully redacted; unit, path, name and time are structure: only secrets are taken out."""

PARAMETER_TYPES = ("unit", "int", "enum", "size", "string", "path")
RESULTS = ("fail", "warn", "pass")
STEP_VERBS = (
    "command",
    "service",
    "file.write",
    "file.replace",
    "wait",
    "file.move",
    "file.delete",
    "file.snapshot",
    "package",
    "registry",
    "powershell",
    "ask",
    "reboot",
)
"""The closed set of the format; diagnostics/steps.py carries each out."""


@dataclass(frozen=True, slots=True)
class FieldSpec:
    """One fact: its type and, where it differs from the collector's, its sensitivity."""

    type: str
    sensitivity: str = ""


@dataclass(frozen=True, slots=True)
class CommandSpec:
    """A program to run: argv items may hold placeholders, argv[0] may not."""

    argv: tuple[str, ...]
    environment: dict[str, str] = field(default_factory=dict)
    timeout_seconds: float = 10.0


@dataclass(frozen=True, slots=True)
class ExtractSpec:
    """A named regex group taken out of text, turned into `type` (string, int, double or size)."""

    regex: str
    type: str = "string"


@dataclass(frozen=True, slots=True)
class Implementation:
    """How one platform gets the facts: exactly one of builtin, command, powershell.

    `timeout_seconds` 0: the collector's. `unverified`: written from documentation, never run on a real system.
    """

    platform: str
    builtin: str = ""
    command: CommandSpec | None = None
    powershell: str = ""
    output: str = "text"
    extract: dict[str, ExtractSpec] = field(default_factory=dict)
    timeout_seconds: float = 0.0
    unverified: bool = False


@dataclass(frozen=True, slots=True)
class Collector:
    """How to get one named set of facts. `rows` describes a list of maps, `fields` one map."""

    id: str
    version: int
    title: str
    sensitivity: str
    timeout_seconds: float
    max_bytes: int
    max_rows: int
    implementations: tuple[Implementation, ...]
    rows: dict[str, FieldSpec]
    fields: dict[str, FieldSpec]
    digest: str


@dataclass(frozen=True, slots=True)
class Bundle:
    """A named choice of collectors with the caps of the whole. `seeds` are fact paths replaced everywhere."""

    id: str
    version: int
    title: str
    collectors: tuple[str, ...]
    parallel: int
    timeout_seconds: float
    max_bytes: int
    redaction_profile: str
    seeds: tuple[str, ...]
    niceness: int
    digest: str


@dataclass(frozen=True, slots=True)
class CollectUse:
    """A collector an issue needs, with values it adds to the rows by regex."""

    collector: str
    parameters: dict[str, object] = field(default_factory=dict)
    extract: dict[str, ExtractSpec] = field(default_factory=dict)
    inline: Implementation | None = None


@dataclass(frozen=True, slots=True)
class OutcomeSpec:
    """One case of an issue: its result, condition, message and the fix it offers."""

    result: str
    when: str
    message: str
    let: dict[str, str] = field(default_factory=dict)
    fix: str = ""


@dataclass(frozen=True, slots=True)
class IssueTest:
    """Facts and the results they must give, in order of the items."""

    name: str
    facts: dict[str, object]
    expect: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class KnownIssue:
    """Conditions over facts, first match wins. `item` and `items` are the foreach, empty when there is none."""

    id: str
    version: int
    title: str
    severity: str
    category: str
    platforms: tuple[str, ...]
    precondition: str
    collect: tuple[CollectUse, ...]
    item: str
    items: str
    outcomes: tuple[OutcomeSpec, ...]
    explanation: str
    evidence: tuple[str, ...]
    tests: tuple[IssueTest, ...]
    digest: str


@dataclass(frozen=True, slots=True)
class Parameter:
    """A typed value of a fix. `source` is the CEL expression a finding fills it from."""

    name: str
    type: str
    default: str = ""
    minimum: str = ""
    maximum: str = ""
    pattern: str = ""
    values: tuple[str, ...] = ()
    source: str = ""
    description: str = ""


@dataclass(frozen=True, slots=True)
class Precheck:
    """Must hold before anything is done, or the fix is not run and `message` says why.

    `says` is the condition in words, for the plan; without it people read the expression.
    """

    when: str
    message: str
    says: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """One change: a verb with its arguments, and for commands how it is checked and undone.

    `check` is the argv a dry run executes instead; `undo` the argv that reverses it; `readonly` changes
    nothing; `irreversible` is the reason why it cannot be undone. `undone_by`: none (nothing to undo) or snapshot
    (an earlier step keeps what this one changes).
    """

    name: str
    verb: str
    arguments: dict[str, object]
    check: tuple[str, ...] = ()
    undo: tuple[str, ...] = ()
    readonly: bool = False
    irreversible: str = ""
    undone_by: str = ""


@dataclass(frozen=True, slots=True)
class Verify:
    """What must be true afterwards: facts collected anew, tried `retries` times with a pause between.

    `says` is the condition in words, as in a precheck.
    """

    collect: tuple[str, ...]
    when: str
    retries: int = 1
    delay_seconds: float = 1.0
    says: str = ""


@dataclass(frozen=True, slots=True)
class Risk:
    """What the customer is told. reversible: full, partial or none."""

    impact: str
    downtime: str
    reversible: str

    @property
    def level(self) -> str:
        """low, medium or high; high asks the customer for this very plan."""
        if self.reversible == "none" or self.downtime == "long":
            return "high"
        return "low" if self.reversible == "full" and self.downtime == "none" else "medium"


@dataclass(frozen=True, slots=True)
class Fix:
    """Precheck, steps, verify, rollback."""

    id: str
    version: int
    title: str
    platforms: tuple[str, ...]
    parameters: dict[str, Parameter]
    needs_root: bool
    consent: str
    risk: Risk
    prechecks: tuple[Precheck, ...]
    steps: tuple[Step, ...]
    verify: tuple[Verify, ...]
    rollback: bool
    digest: str


@dataclass(frozen=True, slots=True)
class Catalog:
    """All items by id."""

    collectors: dict[str, Collector]
    bundles: dict[str, Bundle]
    issues: dict[str, KnownIssue]
    fixes: dict[str, Fix]


def canonical_json(value: object) -> bytes:
    """Sorted keys, no spaces, UTF-8: the bytes a digest is made of. Values are JSON values with string keys."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def digest_of(value: Mapping[str, object]) -> str:
    """SHA-256 (hex) of an item's canonical JSON."""
    return hashlib.sha256(canonical_json(value)).hexdigest()
