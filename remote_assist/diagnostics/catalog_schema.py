"""The catalog's format as JSON Schema, for editors: completion and red lines while a file is written.

Rule: made from the same tables the reader uses. What a schema cannot say (names that lead nowhere, expressions that do
not compile) is `kb lint`'s.
"""

from remote_assist.core.catalog.model import (
    API_VERSION,
    FIELD_TYPES,
    PARAMETER_TYPES,
    PLATFORMS,
    RESULTS,
    SENSITIVITIES,
    SEVERITIES,
)
from remote_assist.core.redaction import PROFILES

Schema = dict[str, object]

TEXT: Schema = {"type": ["string", "number"]}
TEXTS: Schema = {"type": "array", "items": {"type": "string"}}
FLAG: Schema = {"type": "boolean"}
DURATION: Schema = {"type": "string", "pattern": r"^\d{1,6}(\.\d{1,3})?(ms|s|m|h|d)$"}
SIZE: Schema = {"type": ["string", "integer"]}
COUNT: Schema = {"type": "integer", "minimum": 1}
ANYTHING: Schema = {}


def catalog_schema() -> Schema:
    """The schema of one document."""
    kinds = {"Collector": _collector(), "Bundle": _bundle(), "KnownIssue": _issue(), "Fix": _fix()}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "remote-assist catalog document",
        "oneOf": list(kinds.values()),
    }


def _mapping(required: tuple[str, ...] = (), /, **properties: Schema) -> Schema:
    return {
        "type": "object",
        "properties": {name.rstrip("_").replace("__", "."): each for name, each in properties.items()},
        "required": list(required),
        "additionalProperties": False,
    }


def _open(value: Schema) -> Schema:
    return {"type": "object", "additionalProperties": value}


def _list(item: Schema) -> Schema:
    return {"type": "array", "items": item}


def _one_of(words: tuple[str, ...]) -> Schema:
    return {"enum": list(words)}


def _document(kind: str, required: tuple[str, ...], metadata: Schema, **properties: Schema) -> Schema:
    return _mapping(
        ("kind", "metadata", *required),
        apiVersion={"const": API_VERSION},
        kind={"const": kind},
        metadata=metadata,
        **properties,
    )


def _metadata(**more: Schema) -> Schema:
    return _mapping(("id", "version", "title"), id=TEXT, version=COUNT, title=TEXT, **more)


def _command() -> Schema:
    argv: Schema = {"type": "array", "items": {"type": "string"}, "minItems": 1}
    return _mapping(("argv",), argv=argv, env=_open(TEXT), timeout=DURATION)


def _extract() -> Schema:
    kinds = ("string", "int", "double", "size")
    return _open({"anyOf": [{"type": "string"}, _mapping(("regex",), regex=TEXT, type=_one_of(kinds))]})


def _collector() -> Schema:
    long = _mapping(("type",), type=_one_of(FIELD_TYPES), sensitivity=_one_of(SENSITIVITIES))
    fields = _open({"anyOf": [_one_of(FIELD_TYPES), long]})
    implementation = _mapping(
        ("os",),
        os=_one_of(PLATFORMS),
        builtin=TEXT,
        command=_command(),
        powershell=TEXT,
        output=_one_of(("text", "json")),
        extract=_extract(),
        timeout=DURATION,
        unverified=FLAG,
    )
    limits = _mapping(timeout=DURATION, max_bytes=SIZE, max_rows=COUNT)
    return _document(
        "Collector",
        ("sensitivity", "implementations"),
        _metadata(),
        sensitivity=_one_of(SENSITIVITIES),
        limits=limits,
        implementations=_list(implementation),
        rows=fields,
        fields=fields,
    )


def _bundle() -> Schema:
    limits = _mapping(parallel=COUNT, timeout=DURATION, max_bytes=SIZE, nice={"type": "integer"})
    redaction = _mapping(profile=_one_of(PROFILES), seeds=TEXTS)
    return _document("Bundle", ("collectors",), _metadata(), collectors=TEXTS, limits=limits, redaction=redaction)


def _issue() -> Schema:
    case = _mapping(when=TEXT, message=TEXT, let=_open(TEXT), fix=TEXT)
    outcome: Schema = {"type": "object", "propertyNames": _one_of(RESULTS), "additionalProperties": case}
    inline = {"powershell": TEXT, "output": TEXT, "timeout": DURATION, "max_bytes": SIZE}
    use = _open(_mapping(extract=_extract(), with_=_open(ANYTHING), sensitivity=_one_of(SENSITIVITIES), **inline))
    expect = _list(_one_of((*RESULTS, "unknown", "skipped")))
    return _document(
        "KnownIssue",
        ("collect", "outcomes"),
        _metadata(severity=_one_of(SEVERITIES), category=TEXT),
        platforms=_list(_one_of(PLATFORMS)),
        precondition=TEXT,
        collect=_list({"anyOf": [{"type": "string"}, use]}),
        foreach=_mapping(("item", "in"), item=TEXT, in_=TEXT),
        outcomes=_list(outcome),
        explanation=TEXT,
        evidence=TEXTS,
        tests=_list(_mapping(("name", "facts", "expect"), name=TEXT, facts=_open(ANYTHING), expect=expect)),
    )


def _steps() -> Schema:
    names: Schema = {"anyOf": [{"type": "string"}, TEXTS]}
    undo: Schema = {"anyOf": [_one_of(("none", "snapshot")), _command()]}
    check: Schema = {"anyOf": [_one_of(("skip",)), _command()]}
    states = ("started", "stopped", "restarted", "reloaded")
    kinds = ("String", "ExpandString", "DWord", "QWord")
    shell = _mapping(("text",), text=TEXT, check=TEXT, undo=TEXT, timeout=DURATION)
    return _list(
        _mapping(
            ("name",),
            name=TEXT,
            check=check,
            undo=undo,
            readonly=FLAG,
            irreversible=TEXT,
            command=_command(),
            service=_mapping(("name", "state"), name=names, state=_one_of(states), timeout=DURATION, on_timeout=TEXT),
            file__write=_mapping(("path", "content"), path=TEXT, content=TEXT, mode=TEXT),
            file__replace=_mapping(("path", "find", "with"), path=TEXT, find=TEXT, with_=TEXT),
            file__move=_mapping(("from", "to"), from_=TEXT, to=TEXT),
            file__delete=_mapping(("path",), path=TEXT),
            file__snapshot=_mapping(("paths",), paths=TEXTS),
            package=_mapping(("name", "state"), name=names, state=_one_of(("present", "absent", "reinstalled"))),
            registry=_mapping(
                ("key", "name"),
                key=TEXT,
                name=TEXT,
                type=_one_of(kinds),
                value=TEXT,
                state=_one_of(("present", "absent")),
            ),
            powershell={"anyOf": [{"type": "string"}, shell]},
            wait=_mapping(for_=DURATION),
            ask=_mapping(("text",), text=TEXT),
            reboot=_mapping(),
        )
    )


def _fix() -> Schema:
    parameter = _mapping(
        ("type",),
        type=_one_of(PARAMETER_TYPES),
        default=TEXT,
        min=TEXT,
        max=TEXT,
        pattern=TEXT,
        values=TEXTS,
        from_=TEXT,
        description=TEXT,
    )
    risk = _mapping(
        ("impact", "reversible"),
        impact=TEXT,
        downtime=_one_of(("none", "short", "long")),
        reversible=_one_of(("full", "partial", "none")),
    )
    verify = _mapping(("when",), collect=TEXTS, when=TEXT, retries=COUNT, delay=DURATION, says=TEXT)
    return _document(
        "Fix",
        ("consent", "risk", "steps", "verify"),
        _metadata(),
        platforms=_list(_one_of(PLATFORMS)),
        parameters=_open(parameter),
        elevation=_one_of(("required", "none")),
        consent=_mapping(("text",), text=TEXT, required=FLAG),
        risk=risk,
        precheck=_list(_mapping(("when", "message"), when=TEXT, message=TEXT, says=TEXT, else_=_one_of(("abort",)))),
        steps=_steps(),
        verify=_list(verify),
        rollback=_one_of(("auto", "none")),
        cleanup=_mapping(after=DURATION, delete=TEXTS),
    )
