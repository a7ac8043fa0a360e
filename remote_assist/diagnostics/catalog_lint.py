"""What no schema can see: names that lead nowhere, expressions that do not compile, patterns that are none.

Rule: `lint` reports every problem, each with file, line and what is meant; it stops at none.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from remote_assist.core.catalog.model import Bundle, Catalog, Collector, ExtractSpec, Fix, KnownIssue, Step
from remote_assist.core.catalog.templates import paths_in
from remote_assist.core.conditions import Conditions, names_in
from remote_assist.core.findings import Observed, evaluate_issue
from remote_assist.diagnostics.builtins import BUILTINS
from remote_assist.diagnostics.catalog_loader import Reading, read_catalog, shipped_folder
from remote_assist.diagnostics.catalog_section import near
from remote_assist.diagnostics.verifying import conditions_for
from remote_assist.diagnostics.yaml_source import Path as Place
from remote_assist.diagnostics.yaml_source import Problem
from remote_assist.errors import ContentError

Fault = tuple[Place, str]
"""Where in a document, and what is wrong."""


def lint(path: Path) -> tuple[Reading, list[Problem]]:
    """The catalog of `path` on top of the shipped one, and every problem of the files at `path`.

    Raises RefusedError without the extra [rules].
    """
    reading = read_catalog([shipped_folder(), path])
    problems = [each for each in reading.problems if _belongs(each.file, path)]
    broken = {each.file for each in problems}
    for key, document in reading.documents.items():
        if _belongs(document.file, path) and document.file not in broken:
            found = _LINTERS[key[0]](_item(reading.catalog, key), reading.catalog)
            problems += [Problem(document.file, document.line(place), sentence) for place, sentence in found]
    return reading, sorted(problems, key=lambda each: (each.file, each.line))


def run_tests(issue: KnownIssue, catalog: Catalog) -> Iterator[tuple[str, tuple[str, ...], tuple[str, ...]]]:
    """Name, expected and actual outcomes of each of an issue's own tests."""
    for test in issue.tests:
        findings = evaluate_issue(issue, catalog, Observed(test.facts, {}, {}))
        yield test.name, test.expect, tuple(finding.outcome for finding in findings)


def _lint_collector(collector: Collector, _catalog: Catalog) -> Iterator[Fault]:
    for number, each in enumerate(collector.implementations):
        place: Place = ("implementations", number)
        known = [name for platform, name in BUILTINS if platform == each.platform]
        if each.builtin and each.builtin not in known:
            yield (*place, "builtin"), f"there is no builtin '{each.builtin}'{near(each.builtin, known)}"
        yield from _patterns((*place, "extract"), each.extract)


def _lint_bundle(bundle: Bundle, catalog: Catalog) -> Iterator[Fault]:
    for number, name in enumerate(bundle.collectors):
        if name not in catalog.collectors:
            known = list(catalog.collectors)
            yield ("collectors", number), f"there is no collector '{name}'{near(name, known)}"
    for seed in bundle.seeds:
        owner, _, key = seed.partition(".")
        collector = catalog.collectors.get(owner)
        if owner not in bundle.collectors or collector is None:
            yield ("redaction", "seeds"), f"the seed '{seed}' is of no collector of this bundle"
        elif key not in {**collector.rows, **collector.fields}:
            yield ("redaction", "seeds"), f"the collector '{owner}' has no fact '{key}'"


def _lint_issue(issue: KnownIssue, catalog: Catalog) -> Iterator[Fault]:
    for number, use in enumerate(issue.collect):
        if use.inline is None and use.collector not in catalog.collectors:
            hint = near(use.collector, list(catalog.collectors))
            yield ("collect", number), f"there is no collector '{use.collector}'{hint}"
        yield from _patterns(("collect", number), use.extract)
    collected = {use.collector for use in issue.collect}
    for name in issue.evidence:
        if name not in collected:
            yield ("evidence",), f"'{name}' is not collected by this issue"
    item = {issue.item} if issue.item else set()
    yield from _expressions(Conditions(collected), {("precondition",): issue.precondition, ("foreach",): issue.items})
    for number, case in enumerate(issue.outcomes):
        place: Place = ("outcomes", number, case.result)
        yield from _expressions(Conditions(collected | item), {(*place, "when"): case.when})
        names = collected | item | set(case.let)
        yield from _expressions(Conditions(names), {(*place, "let", name): text for name, text in case.let.items()})
        yield from _template((*place, "message"), case.message, names)
        yield from _offered((*place, "fix"), case.fix, names, catalog)
    yield from _unused_in_issue(issue)
    yield from _unreachable(issue)
    if not issue.tests:
        yield ("metadata", "id"), "a known issue needs 'tests': misspelt facts are found in no other way"


def _unused_in_issue(issue: KnownIssue) -> Iterator[Fault]:
    """Collectors nobody looks at, and `let` names nobody uses."""
    texts = [issue.precondition, issue.items]
    for number, case in enumerate(issue.outcomes):
        texts += [case.when, *case.let.values(), *paths_in_or_none(case.message)]
        for name in case.let:
            later = [*paths_in_or_none(case.message), *(text for key, text in case.let.items() if key != name)]
            if not case.fix and not any(name in names_in(text) for text in later):
                yield ("outcomes", number, case.result, "let", name), f"'{name}' is used nowhere"
    used = set().union(*(names_in(text) for text in texts))
    for number, use in enumerate(issue.collect):
        if use.collector not in used and not any(case.fix for case in issue.outcomes):
            yield ("collect", number), f"'{use.collector}' is collected and used by no condition or message"


def _unreachable(issue: KnownIssue) -> Iterator[Fault]:
    """Outcomes behind one that is always true, or behind the same condition."""
    seen: dict[str, str] = {}
    for number, case in enumerate(issue.outcomes):
        if "true" in seen:
            yield (
                ("outcomes", number, case.result),
                f"this is never reached: the {seen['true']} before it is always true",
            )
        elif case.when in seen:
            yield (
                ("outcomes", number, case.result),
                f"this is never reached: the {seen[case.when]} before it has its condition",
            )
        seen.setdefault(case.when, case.result)


def paths_in_or_none(template: str) -> tuple[str, ...]:
    """The paths of a template; none where it does not hold, which is told elsewhere."""
    try:
        return paths_in(template)
    except ContentError:
        return ()


def _unused_in_fix(fix: Fix) -> Iterator[Fault]:
    """Parameters that nothing uses."""
    texts = [
        fix.consent,
        fix.risk.impact,
        *(check.when for check in fix.prechecks),
        *(each.when for each in fix.verify),
    ]
    texts += [text for step in fix.steps for text in _templates_of(step)]
    texts += [str(value) for step in fix.steps for value in step.arguments.values() if step.verb == "powershell"]
    for name in fix.parameters:
        if not any(re.search(rf"(?:params|\$p)\.{re.escape(name)}\b", text) for text in texts):
            yield ("parameters", name), f"the parameter '{name}' is used nowhere"


def _offered(place: Place, fix_id: str, names: set[str], catalog: Catalog) -> Iterator[Fault]:
    if not fix_id:
        return
    fix = catalog.fixes.get(fix_id)
    if fix is None:
        yield place, f"there is no fix '{fix_id}'{near(fix_id, list(catalog.fixes))}"
        return
    for parameter in fix.parameters.values():
        if parameter.source:
            for _, sentence in _expressions(Conditions(names), {place: parameter.source}):
                yield place, f"the parameter '{parameter.name}' of {fix_id} cannot be filled from here: {sentence}"


def _lint_fix(fix: Fix, catalog: Catalog) -> Iterator[Fault]:
    conditions = conditions_for(fix, catalog)
    parameters = set(fix.parameters)
    yield from _parameters(("consent", "text"), fix.consent, parameters)
    yield from _parameters(("risk", "impact"), fix.risk.impact, parameters)
    for number, check in enumerate(fix.prechecks):
        yield from _expressions(conditions, {("precheck", number, "when"): check.when})
        yield from _parameters(("precheck", number, "message"), check.message, parameters)
        yield from _parameters(("precheck", number, "says"), check.says, parameters)
    for number, verify in enumerate(fix.verify):
        yield from _expressions(conditions, {("verify", number, "when"): verify.when})
        yield from _parameters(("verify", number, "says"), verify.says, parameters)
        for name in verify.collect:
            if name not in catalog.collectors:
                yield ("verify", number, "collect"), f"there is no collector '{name}'"
    for number, step in enumerate(fix.steps):
        for text in _templates_of(step):
            yield from _parameters(("steps", number), text, parameters)
    yield from _unused_in_fix(fix)
    for name, parameter in fix.parameters.items():
        if parameter.pattern:
            yield from _patterns(("parameters", name, "pattern"), {"": ExtractSpec(parameter.pattern)}, named=False)


def _templates_of(step: Step) -> Iterable[str]:
    texts: list[object] = [*step.check, *step.undo]
    if step.verb != "powershell":
        for value in step.arguments.values():
            texts += value if isinstance(value, list | tuple) else [value]
    if step.verb.startswith("file."):
        texts = [text for text in texts if isinstance(text, str) and "{params." in text]
    return [text for text in texts if isinstance(text, str)]


def _expressions(conditions: Conditions, expressions: Mapping[Place, str]) -> Iterator[Fault]:
    for place, expression in expressions.items():
        if expression:
            try:
                conditions.compile(expression)
            except ContentError as error:
                yield place, error.message


def _template(place: Place, template: str, names: set[str]) -> Iterator[Fault]:
    try:
        for path in paths_in(template):
            root = re.split(r"[.\[]", path)[0]
            if root not in names:
                yield place, f"'{{{path}}}' names nothing known here{near(root, sorted(names))}"
    except ContentError as error:
        yield place, error.message


def _parameters(place: Place, template: str, names: set[str]) -> Iterator[Fault]:
    """In fixes, every path is `params.NAME`."""
    try:
        for path in paths_in(template):
            root, _, name = path.partition(".")
            if path != "run.id" and (root != "params" or name not in names):
                yield place, f"'{{{path}}}' is no parameter of this fix{near(name, sorted(names))}"
    except ContentError as error:
        yield place, error.message


def _patterns(place: Place, specs: Mapping[str, ExtractSpec], *, named: bool = True) -> Iterator[Fault]:
    for name, spec in specs.items():
        try:
            pattern = re.compile(spec.regex)
        except re.error as error:
            yield (*place, name), f"the pattern is none: {error}"
            continue
        if named and name not in pattern.groupindex:
            yield (*place, name), f"the pattern has no group named '{name}'"


def _belongs(file: str, path: Path) -> bool:
    return Path(file).resolve() == path.resolve() or path.resolve() in Path(file).resolve().parents


def _item(catalog: Catalog, key: tuple[str, str]) -> object:
    shelves: dict[str, Mapping[str, object]] = {
        "Collector": catalog.collectors,
        "Bundle": catalog.bundles,
        "KnownIssue": catalog.issues,
        "Fix": catalog.fixes,
    }
    return shelves[key[0]][key[1]]


_LINTERS: dict[str, Callable[..., Iterator[Fault]]] = {
    "Collector": _lint_collector,
    "Bundle": _lint_bundle,
    "KnownIssue": _lint_issue,
    "Fix": _lint_fix,
}
