"""Turns a checked document of kind Fix into a Fix: parameters, prechecks, steps, verify."""

from collections.abc import Callable

from remote_assist.core.catalog.model import (
    PARAMETER_TYPES,
    STEP_VERBS,
    Fix,
    Parameter,
    Precheck,
    Risk,
    Step,
    Verify,
    digest_of,
)
from remote_assist.core.catalog.patterns import pattern_fault
from remote_assist.diagnostics.catalog_kinds import platforms, read_command
from remote_assist.diagnostics.catalog_section import Section, near

STEP_MODIFIERS = ("name", "check", "undo", "readonly", "irreversible")


def read_fix(section: Section) -> Fix:
    """A document of kind Fix."""
    metadata, consent, risk = section.section("metadata"), section.section("consent"), section.section("risk")
    fix = Fix(
        id=metadata.text("id"),
        version=metadata.integer("version", least=1),
        title=metadata.text("title"),
        platforms=platforms(section),
        parameters={name: _parameter(name, each) for name, each in section.section("parameters").named_sections()},
        needs_root=section.choice("elevation", ("required", "none"), "none") == "required",
        consent=consent.text("text"),
        risk=_risk(risk),
        prechecks=tuple(_precheck(each) for each in section.sections("precheck")),
        steps=tuple(_step(each) for each in section.sections("steps")),
        verify=tuple(_verify(each) for each in section.sections("verify")),
        rollback=section.choice("rollback", ("auto", "none"), "auto") == "auto",
        digest=digest_of(section.value),
    )
    consent.flag("required")
    cleanup = section.section("cleanup")
    cleanup.seconds("after", 0.0)
    cleanup.texts("delete")
    for each in (metadata, consent, risk, cleanup):
        each.finish()
    _check_order(fix.steps, section)
    if not fix.steps:
        section.problem("a fix needs steps")
    if not fix.verify:
        section.problem("a fix needs 'verify': without it nobody knows whether it helped")
    return fix


def _risk(section: Section) -> Risk:
    return Risk(
        impact=section.text("impact"),
        downtime=section.choice("downtime", ("none", "short", "long"), "none"),
        reversible=section.choice("reversible", ("full", "partial", "none")),
    )


def _parameter(name: str, section: Section) -> Parameter:
    parameter = Parameter(
        name=name,
        type=section.choice("type", PARAMETER_TYPES),
        default=section.text("default", ""),
        minimum=section.text("min", ""),
        maximum=section.text("max", ""),
        pattern=section.text("pattern", ""),
        values=section.texts("values"),
        source=section.text("from", ""),
        description=section.text("description", ""),
    )
    if parameter.type == "enum" and not parameter.values:
        section.problem("an enum needs 'values'")
    if parameter.type == "string" and not parameter.pattern:
        section.problem("a string needs a 'pattern': free text never reaches a program")
    if parameter.pattern and (fault := pattern_fault(parameter.pattern)):
        section.problem(fault, "pattern")
    section.finish()
    return parameter


def _precheck(section: Section) -> Precheck:
    section.choice("else", ("abort",), "abort")
    check = Precheck(section.text("when"), section.text("message"), section.text("says", ""))
    section.finish()
    return check


def _verify(section: Section) -> Verify:
    verify = Verify(
        collect=section.texts("collect"),
        when=section.text("when"),
        retries=section.integer("retries", 1, least=1),
        delay_seconds=section.seconds("delay", 1.0),
        says=section.text("says", ""),
    )
    section.finish()
    return verify


def _step(section: Section) -> Step:
    name = section.text("name")
    verbs = [key for key in section.value if key not in STEP_MODIFIERS]
    if len(verbs) != 1 or verbs[0] not in STEP_VERBS:
        wrong = next((verb for verb in verbs if verb not in STEP_VERBS), "")
        reason = f"'{wrong}' is no step verb{near(wrong, STEP_VERBS)}" if wrong else "a step has exactly one verb"
        section.problem(f"step '{name}': {reason}", *([wrong] if wrong else []))
        return Step(name, "wait", {})
    verb = verbs[0]
    step = Step(
        name=name,
        verb=verb,
        arguments=_arguments(section, verb),
        check=_argv(section, "check", ("skip",)),
        undo=_argv(section, "undo", ("none", "snapshot")),
        undone_by=_undone_by(section, verb),
        readonly=section.flag("readonly"),
        irreversible=section.text("irreversible", ""),
    )
    if verb == "command" or (verb == "powershell" and not step.arguments.get("undo")):
        _declared(section, name, checked=bool(step.arguments.get("check")))
    section.finish()
    return step


def _undone_by(section: Section, verb: str) -> str:
    value = section.get("undo")
    if value == "none" or (value is None and verb == "powershell"):
        return "none"
    return "snapshot" if value == "snapshot" else ""


def _check_order(steps: tuple[Step, ...], section: Section) -> None:
    """A restart ends everything, so it is last; a snapshot comes before what it is the undo of."""
    for number, step in enumerate(steps):
        if step.verb == "reboot" and number != len(steps) - 1:
            section.problem(f"step '{step.name}': a restart must be the last step", "steps", number)
        kept = any(each.verb == "file.snapshot" for each in steps[:number])
        if step.undone_by == "snapshot" and not kept:
            section.problem(f"step '{step.name}': no step before it makes a snapshot", "steps", number)


def _declared(section: Section, name: str, *, checked: bool) -> None:
    if not (section.has("undo") or section.flag("readonly") or section.has("irreversible")):
        section.problem(f"step '{name}' must state 'undo', 'readonly: true' or 'irreversible: reason'")
    if not checked and not section.has("check") and not section.flag("readonly"):
        section.problem(f"step '{name}' must state 'check': what a dry run executes instead, or 'skip'")


def _argv(section: Section, key: str, words: tuple[str, ...]) -> tuple[str, ...]:
    value = section.get(key)
    if value is None or value in words:
        return ()
    if isinstance(value, dict):
        return read_command(section.section(key)).argv
    section.problem(f"'{key}' must be {' or '.join(words)} or a mapping with an argv list", key)
    return ()


def _arguments(section: Section, verb: str) -> dict[str, object]:
    if verb == "powershell" and isinstance(section.get(verb), str):
        return {"text": section.text(verb), "check": "", "undo": "", "timeout": 60.0}
    below = section.section(verb)
    if verb == "command":
        command = read_command(below)
        return {"argv": command.argv, "env": command.environment, "timeout": command.timeout_seconds}
    if verb == "service":
        names = (below.text("name"),) if isinstance(below.get("name"), str) else below.texts("name")
        arguments: dict[str, object] = {
            "names": names,
            "state": below.choice("state", ("started", "stopped", "restarted", "reloaded")),
            "timeout": below.seconds("timeout", 15.0),
        }
        below.text("on_timeout", "")
    elif verb == "file.write":
        arguments = {"path": below.text("path"), "content": below.text("content"), "mode": below.text("mode", "0644")}
    elif verb == "file.replace":
        arguments = {"path": below.text("path"), "find": below.text("find"), "with": below.text("with")}
    else:
        arguments = _MORE_ARGUMENTS[verb](below)
    below.finish()
    return arguments


def _package_arguments(below: Section) -> dict[str, object]:
    names = (below.text("name"),) if isinstance(below.get("name"), str) else below.texts("name")
    if not names:
        below.problem("'package' needs a 'name', or a list of them")
    return {"names": names, "state": below.choice("state", ("present", "absent", "reinstalled"))}


def _registry_arguments(below: Section) -> dict[str, object]:
    state = below.choice("state", ("present", "absent"), "present")
    kind = below.choice("type", ("String", "ExpandString", "DWord", "QWord"), "String")
    value = below.text("value", "" if state == "absent" else None)
    if kind in {"DWord", "QWord"} and state == "present" and not value.isdecimal() and "{" not in value:
        below.problem(f"'value' must be a whole number for {kind}", "value")
    return {"key": below.text("key"), "name": below.text("name"), "state": state, "type": kind, "value": value}


def _powershell_arguments(below: Section) -> dict[str, object]:
    return {
        "text": below.text("text"),
        "check": below.text("check", ""),
        "undo": below.text("undo", ""),
        "timeout": below.seconds("timeout", 60.0),
    }


_MORE_ARGUMENTS: dict[str, Callable[[Section], dict[str, object]]] = {
    "file.move": lambda below: {"from": below.text("from"), "to": below.text("to")},
    "file.delete": lambda below: {"path": below.text("path")},
    "file.snapshot": lambda below: {"paths": below.texts("paths")},
    "package": _package_arguments,
    "registry": _registry_arguments,
    "powershell": _powershell_arguments,
    "wait": lambda below: {"seconds": below.seconds("for", 1.0)},
    "ask": lambda below: {"text": below.text("text")},
    "reboot": lambda _below: {},
}
