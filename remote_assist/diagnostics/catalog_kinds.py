"""Turns one checked document into a Collector, Bundle, KnownIssue or Fix. One function a kind, as docs/catalog.md."""

from collections.abc import Callable

from remote_assist.core.catalog.model import (
    FIELD_TYPES,
    PLATFORMS,
    RESULTS,
    SENSITIVITIES,
    SEVERITIES,
    Bundle,
    Collector,
    CollectUse,
    CommandSpec,
    ExtractSpec,
    FieldSpec,
    Implementation,
    IssueTest,
    KnownIssue,
    OutcomeSpec,
    digest_of,
)
from remote_assist.core.catalog.patterns import pattern_fault
from remote_assist.diagnostics.catalog_section import Section

MIB = 1 << 20
METADATA_KEYS = ("id", "version", "title")


def read_collector(section: Section) -> Collector:
    """A document of kind Collector."""
    name, version, title = _metadata(section)
    limits = section.section("limits")
    collector = Collector(
        id=name,
        version=version,
        title=title,
        sensitivity=section.choice("sensitivity", SENSITIVITIES),
        timeout_seconds=limits.seconds("timeout", 10.0),
        max_bytes=limits.size("max_bytes", MIB),
        max_rows=limits.integer("max_rows", 1000, least=1),
        implementations=tuple(_implementation(each) for each in section.sections("implementations")),
        rows=_fields(section.section("rows")),
        fields=_fields(section.section("fields")),
        digest=digest_of(section.value),
    )
    if not collector.implementations:
        section.problem("a collector needs at least one implementation")
    if collector.rows and collector.fields:
        section.problem("a collector has 'rows' (a list) or 'fields' (one mapping), not both", "fields")
    limits.finish()
    return collector


def read_bundle_spec(section: Section) -> Bundle:
    """A document of kind Bundle."""
    name, version, title = _metadata(section)
    limits, redaction = section.section("limits"), section.section("redaction")
    bundle = Bundle(
        id=name,
        version=version,
        title=title,
        collectors=section.texts("collectors"),
        parallel=limits.integer("parallel", 4, least=1),
        timeout_seconds=limits.seconds("timeout", 120.0),
        max_bytes=limits.size("max_bytes", 25 * MIB),
        redaction_profile=redaction.choice("profile", ("strict", "secrets"), "strict"),
        seeds=redaction.texts("seeds"),
        niceness=min(19, limits.integer("nice", 10)),
        digest=digest_of(section.value),
    )
    limits.finish()
    redaction.finish()
    return bundle


def read_issue(section: Section) -> KnownIssue:
    """A document of kind KnownIssue."""
    metadata = section.section("metadata")
    severity = metadata.choice("severity", SEVERITIES)
    category = metadata.text("category", "")
    name, version, title = _metadata(section, ("severity", "category"))
    item, items = _foreach(section)
    issue = KnownIssue(
        id=name,
        version=version,
        title=title,
        severity=severity,
        category=category,
        platforms=platforms(section),
        precondition=section.text("precondition", ""),
        collect=_uses(section),
        item=item,
        items=items,
        outcomes=tuple(_outcome(each) for each in section.sections("outcomes")),
        explanation=section.text("explanation", ""),
        evidence=section.texts("evidence"),
        tests=tuple(_test(each) for each in section.sections("tests")),
        digest=digest_of(section.value),
    )
    if not issue.outcomes:
        section.problem("a known issue needs outcomes")
    return issue


def platforms(section: Section) -> tuple[str, ...]:
    """The `platforms` list; absent means every platform."""
    names = section.texts("platforms")
    for name in names:
        if name not in PLATFORMS:
            section.problem(f"'{name}' is no platform; it must be one of {', '.join(PLATFORMS)}", "platforms")
    return names or PLATFORMS


def read_command(section: Section) -> CommandSpec:
    """A `command:` mapping; argv is a list, never a shell string."""
    argv = section.texts("argv")
    if not argv:
        section.problem("'argv' must be a list of at least one word, never a shell string", "argv")
    elif "{" in argv[0]:
        section.problem("the program itself (argv[0]) may not come from a parameter", "argv")
    environment = {key: str(value) for key, value in section.mapping("env").items()}
    command = CommandSpec(argv or ("false",), environment, section.seconds("timeout", 10.0))
    section.finish()
    return command


def _metadata(section: Section, more: tuple[str, ...] = ()) -> tuple[str, int, str]:
    metadata = section.section("metadata")
    result = metadata.text("id"), metadata.integer("version", least=1), metadata.text("title")
    for key in more:
        metadata.has(key)
    metadata.finish()
    return result


def _implementation(section: Section) -> Implementation:
    result = Implementation(
        platform=section.choice("os", PLATFORMS),
        builtin=section.text("builtin", ""),
        command=read_command(section.section("command")) if section.has("command") else None,
        powershell=section.text("powershell", ""),
        output=section.choice("output", ("text", "json"), "text"),
        extract=_extract(section.section("extract")),
        timeout_seconds=section.seconds("timeout", 0.0),
        unverified=section.flag("unverified"),
    )
    if sum(map(bool, (result.builtin, result.command, result.powershell))) != 1:
        section.problem("an implementation has exactly one of 'builtin', 'command' and 'powershell'")
    section.finish()
    return result


def _extract(section: Section) -> dict[str, ExtractSpec]:
    result = {}
    for key in section.value:
        if isinstance(section.get(key), str):
            result[key] = ExtractSpec(section.text(key), "int" if r"\d" in section.text(key) else "string")
            _check_pattern(result[key].regex, section, key)
            continue
        below = section.section(key)
        kinds = ("string", "int", "double", "size")
        result[key] = ExtractSpec(below.text("regex"), below.choice("type", kinds, "string"))
        _check_pattern(result[key].regex, below, "regex")
        below.finish()
    return result


def _check_pattern(pattern: str, section: Section, key: str) -> None:
    if fault := pattern_fault(pattern):
        section.problem(fault, key)


def _fields(section: Section) -> dict[str, FieldSpec]:
    result = {}
    for key in section.value:
        if isinstance(section.get(key), str):
            result[key] = FieldSpec(section.choice(key, FIELD_TYPES))
            continue
        below = section.section(key)
        result[key] = FieldSpec(below.choice("type", FIELD_TYPES), below.choice("sensitivity", SENSITIVITIES, ""))
        below.finish()
    return result


def _foreach(section: Section) -> tuple[str, str]:
    if not section.has("foreach"):
        return "", ""
    foreach = section.section("foreach")
    result = foreach.text("item"), foreach.text("in")
    foreach.finish()
    return result


def _uses(section: Section) -> tuple[CollectUse, ...]:
    value = section.get("collect")
    if not isinstance(value, list):
        section.problem("'collect' must be a list of collectors")
        return ()
    uses = []
    for number, item in enumerate(value):
        if isinstance(item, str):
            uses.append(CollectUse(item))
            continue
        below = Section(section.document, item, (*section.path, "collect", number), section.problems)
        uses += [_use(name, each) for name, each in below.named_sections()]
    return tuple(uses)


def _use(name: str, section: Section) -> CollectUse:
    inline = None
    if section.has("powershell"):
        inline = Implementation("windows", powershell=section.text("powershell"), output=section.text("output", "text"))
        section.seconds("timeout", 10.0)
        section.size("max_bytes", MIB)
        section.choice("sensitivity", SENSITIVITIES, "internal")
    use = CollectUse(name, section.mapping("with"), _extract(section.section("extract")), inline)
    section.finish()
    return use


def _outcome(section: Section) -> OutcomeSpec:
    named = section.named_sections()
    if len(named) != 1 or named[0][0] not in RESULTS:
        section.problem(f"an outcome is one of {', '.join(RESULTS)} with its case below it")
        return OutcomeSpec("warn", "false", "")
    result, case = named[0]
    outcome = OutcomeSpec(
        result=result,
        when=case.text("when", "true"),
        message=case.text("message", ""),
        let={key: str(value) for key, value in case.mapping("let").items()},
        fix=case.text("fix", ""),
    )
    case.finish()
    return outcome


def _test(section: Section) -> IssueTest:
    test = IssueTest(section.text("name"), section.mapping("facts"), section.texts("expect"))
    for word in test.expect:
        if word not in (*RESULTS, "unknown", "skipped"):
            section.problem(f"'{word}' is no outcome", "expect")
    section.finish()
    return test


Reader = Callable[[Section], object]
