"""Turns a checked document of kind Fix into a Fix: parameters, prechecks, steps, verify."""

from remote_assist.core.catalog_model import (
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
        readonly=section.flag("readonly"),
        irreversible=section.text("irreversible", ""),
    )
    if verb in {"command", "powershell"}:
        _declared(section, name)
    section.finish()
    return step


def _declared(section: Section, name: str) -> None:
    if not (section.has("undo") or section.flag("readonly") or section.has("irreversible")):
        section.problem(f"step '{name}' must state 'undo', 'readonly: true' or 'irreversible: reason'")
    if not section.has("check") and not section.flag("readonly"):
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
    if verb == "powershell":
        return {"text": section.text(verb)}
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
    elif verb == "wait":
        arguments = {"seconds": below.seconds("for", 1.0)}
    else:
        return dict(section.mapping(verb))
    below.finish()
    return arguments
