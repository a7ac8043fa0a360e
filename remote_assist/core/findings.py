"""Facts → findings: what the known issues of a catalog say about a machine.

Rule 1: outcomes are tried in order and the first whose condition is true is the finding.
Rule 2: what cannot be evaluated is `unknown`: a condition that errs stops the search, and facts that were cut short
never prove a `pass`. Only a condition that is true makes a `fail` or `warn`.
Rule 3: every finding points back at the facts it rests on (collector, JSON pointer, SHA-256 of the facts file).
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import msgspec

from remote_assist.core.catalog.model import SEVERITIES, Catalog, CollectUse, KnownIssue, OutcomeSpec
from remote_assist.core.catalog.templates import MissingValue, as_text, fill
from remote_assist.core.conditions import Conditions, Unknown

KEPT_BY_WATCH = frozenset({"trend"})
"""Facts that exist only where the customer runs `watch`; without it nobody expects them, so they are not unknown."""

RESULT_ORDER = ("fail", "warn", "unknown", "pass", "skipped")
MAX_ITEMS = 200
"""Items of a foreach looked at; more than this and the rest is said to be unknown."""

MAX_LINE_CHARS = 1000


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """Where in the bundle a finding can be checked. `sha256` of the collector's facts file, empty without a bundle."""

    collector: str
    pointer: str
    sha256: str = ""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What one known issue says about one subject. `outcome`: fail, warn, unknown, pass or skipped.

    `fix` is empty where none is offered; `parameters` are what it needs, from the facts. Version and digest are
    the catalog's, of the issue and of the fix.
    """

    issue: str
    version: int
    digest: str
    title: str
    severity: str
    category: str
    outcome: str
    subject: str
    message: str
    explanation: str = ""
    evidence: tuple[Evidence, ...] = ()
    fix: str = ""
    fix_version: int = 0
    fix_digest: str = ""
    fix_title: str = ""
    parameters: dict[str, str] = {}


@dataclass(frozen=True, slots=True)
class Observed:
    """Facts by collector, with how each fared and the digests of their files where they come from a bundle."""

    facts: Mapping[str, object]
    statuses: Mapping[str, str]
    digests: Mapping[str, str]


def evaluate(
    catalog: Catalog,
    facts: Mapping[str, object],
    *,
    statuses: Mapping[str, str] | None = None,
    digests: Mapping[str, str] | None = None,
    platform: str = "linux",
    all_outcomes: bool = False,
) -> list[Finding]:
    """Findings, gravest first. `all_outcomes` adds what passed and what was skipped.

    Raises RefusedError without the extra [rules].
    """
    observed = Observed(facts, statuses or {}, digests or {})
    findings = [
        finding
        for issue in catalog.issues.values()
        if platform in issue.platforms
        for finding in _unasked(issue, observed) or evaluate_issue(issue, catalog, observed)
        if all_outcomes or finding.outcome not in {"pass", "skipped"}
    ]
    return sorted(findings, key=_gravity)


def _unasked(issue: KnownIssue, observed: Observed) -> list[Finding]:
    """A bundle that never asked for what an issue needs says nothing about it: skipped, neither pass nor unknown."""
    names = [use.collector for use in issue.collect if use.inline is None]
    missing = [name for name in names if name not in observed.facts and _is_unasked(name, observed)]
    if not observed.statuses or not missing:
        return []
    return [_finding(issue, "skipped", "", f"this bundle does not look at {', '.join(missing)}", observed)]


def _is_unasked(name: str, observed: "Observed") -> bool:
    status = observed.statuses.get(name, "")
    return not status or (name in KEPT_BY_WATCH and status == "unavailable")


def evaluate_issue(issue: KnownIssue, catalog: Catalog, observed: Observed) -> list[Finding]:
    """What one issue says; nothing where its foreach finds no item."""
    return [_offer(finding, case, scope, issue, catalog) for finding, case, scope in _cases(issue, catalog, observed)]


def names_of(issue: KnownIssue) -> set[str]:
    """Every name the conditions of an issue may use: its collectors, its item and what its outcomes `let`."""
    names = {use.collector for use in issue.collect}
    names |= {issue.item} if issue.item else set()
    return names.union(*(outcome.let for outcome in issue.outcomes))


_Case = tuple[Finding, OutcomeSpec | None, dict[str, object]]


def _cases(issue: KnownIssue, catalog: Catalog, observed: Observed) -> Iterator[_Case]:
    conditions = Conditions(names_of(issue))
    facts = {use.collector: _with_extracts(use, observed.facts[use.collector]) for use in issue.collect
             if use.collector in observed.facts}  # fmt: skip
    if issue.precondition:
        applies = conditions.holds(issue.precondition, facts)
        if applies is not True:
            outcome = "skipped" if applies is False else "unknown"
            reason = "does not apply here" if applies is False else _reason(applies, issue, observed)
            yield _finding(issue, outcome, "", reason, observed), None, facts
            return
    if not issue.item:
        yield _judge(issue, conditions, facts, observed, "")
        return
    items = conditions.value(issue.items, facts)
    if not isinstance(items, list):
        yield _finding(issue, "unknown", "", _reason(items, issue, observed), observed), None, facts
        return
    for number, item in enumerate(items[:MAX_ITEMS]):
        yield _judge(issue, conditions, {**facts, issue.item: item}, observed, _subject(item, number))
    if len(items) > MAX_ITEMS:
        message = f"only the first {MAX_ITEMS} of {len(items)} were looked at"
        yield _finding(issue, "unknown", "", message, observed), None, facts


def _judge(
    issue: KnownIssue, conditions: Conditions, scope: dict[str, object], observed: Observed, subject: str
) -> _Case:
    for case in issue.outcomes:
        holds = conditions.holds(case.when, scope)
        if isinstance(holds, Unknown):
            return _finding(issue, "unknown", subject, _reason(holds, issue, observed), observed), None, scope
        if holds:
            return _decided(issue, case, conditions, scope, observed, subject)
    return _passed(issue, "", subject, observed, scope), None, scope


def _decided(
    issue: KnownIssue,
    case: OutcomeSpec,
    conditions: Conditions,
    scope: dict[str, object],
    observed: Observed,
    subject: str,
) -> _Case:
    scope = dict(scope)
    for name, expression in case.let.items():
        value = conditions.value(expression, scope)
        if not isinstance(value, Unknown):
            scope[name] = value
    message = _message(case.message, scope)
    if case.result == "pass":
        return _passed(issue, message, subject, observed, scope), case, scope
    return _finding(issue, case.result, subject, message, observed, scope=scope), case, scope


def _passed(issue: KnownIssue, message: str, subject: str, observed: Observed, scope: Mapping[str, object]) -> Finding:
    cut = [use.collector for use in issue.collect if observed.statuses.get(use.collector) == "cut"]
    if cut:
        return _finding(issue, "unknown", subject, f"the facts of {', '.join(cut)} were cut short", observed)
    return _finding(issue, "pass", subject, message, observed, scope=scope)


def _message(template: str, scope: Mapping[str, object]) -> str:
    def one(match: re.Match[str]) -> str:
        try:
            return fill(match[0], scope)
        except MissingValue:
            return "?"

    return re.sub(r"\{[^{}]+\}", one, template)


def _finding(
    issue: KnownIssue,
    outcome: str,
    subject: str,
    message: str,
    observed: Observed,
    *,
    scope: Mapping[str, object] | None = None,
) -> Finding:
    return Finding(
        issue=issue.id,
        version=issue.version,
        digest=issue.digest,
        title=issue.title,
        severity=issue.severity,
        category=issue.category,
        outcome=outcome,
        subject=subject,
        message=message or issue.title,
        explanation=issue.explanation.strip(),
        evidence=tuple(_evidence(issue, observed, scope or {})),
    )


def _evidence(issue: KnownIssue, observed: Observed, scope: Mapping[str, object]) -> Iterator[Evidence]:
    """A pointer to each collector, and to the very row where a value of the finding is one."""
    values = [value for name, value in scope.items() if name not in observed.facts and isinstance(value, dict)]
    for use in issue.collect:
        if issue.evidence and use.collector not in issue.evidence:
            continue
        facts = observed.facts.get(use.collector)
        rows = facts if isinstance(facts, list) else []
        found = [n for n, row in enumerate(rows) if any(_same_row(row, value) for value in values)]
        for pointer in [f"/{number}" for number in found] or [""]:
            if use.collector in observed.facts:
                yield Evidence(collector=use.collector, pointer=pointer, sha256=observed.digests.get(use.collector, ""))


def _same_row(row: object, value: dict[str, object]) -> bool:
    return isinstance(row, dict) and bool(row) and all(value.get(key) == item for key, item in row.items())


def _offer(
    finding: Finding, case: OutcomeSpec | None, scope: Mapping[str, object], issue: KnownIssue, catalog: Catalog
) -> Finding:
    fix = catalog.fixes.get(case.fix) if case is not None and case.fix else None
    if fix is None:
        return finding
    parameters = {}
    conditions = Conditions(names_of(issue))
    for parameter in fix.parameters.values():
        value = conditions.value(parameter.source, scope) if parameter.source else Unknown("no source")
        if not isinstance(value, Unknown):
            parameters[parameter.name] = as_text(value)
    return msgspec.structs.replace(
        finding,
        fix=fix.id,
        fix_version=fix.version,
        fix_digest=fix.digest,
        fix_title=fix.title,
        parameters=parameters,
    )


def _with_extracts(use: CollectUse, facts: object) -> object:
    """Rows with the values an issue's `extract` finds in their texts; a value already there is kept."""
    if not use.extract or not isinstance(facts, list):
        return facts
    return [_extracted(use, row) if isinstance(row, dict) else row for row in facts]


def _extracted(use: CollectUse, row: dict[str, object]) -> dict[str, object]:
    lines: list[str] = []
    for value in row.values():
        texts = value if isinstance(value, list) else [value]
        lines += [line[:MAX_LINE_CHARS] for text in texts if isinstance(text, str) for line in text.splitlines()]
    found: dict[str, object] = {}
    for name, spec in use.extract.items():
        pattern = re.compile(spec.regex)
        match = next((hit for line in lines if (hit := pattern.search(line))), None)
        if match is not None and name in pattern.groupindex:
            found[name] = int(match[name]) if spec.type == "int" and match[name].isdigit() else match[name]
    return {**found, **row}


def _subject(item: object, number: int) -> str:
    """What a row is called: its most telling key."""
    if isinstance(item, dict):
        for key in ("name", "mount", "path", "subject", "unit", "port", "template"):
            if item.get(key):
                return as_text(item[key])[:200]
    return as_text(item)[:200] if isinstance(item, str | int) else f"#{number + 1}"


def _reason(value: object, issue: KnownIssue, observed: Observed) -> str:
    missing = [
        f"{use.collector} ({observed.statuses.get(use.collector, 'not collected')})"
        for use in issue.collect
        if use.collector not in observed.facts
    ]
    if missing:
        return f"cannot be said without {', '.join(missing)}"
    return f"cannot be said: {value.reason if isinstance(value, Unknown) else 'the facts have an unexpected form'}"


def _gravity(finding: Finding) -> tuple[int, int, str, str]:
    return (
        RESULT_ORDER.index(finding.outcome),
        -SEVERITIES.index(finding.severity),
        finding.issue,
        finding.subject,
    )
