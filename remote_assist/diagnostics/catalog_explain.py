"""One item of the catalog in plain words: what `kb explain` prints."""

from remote_assist.core.catalog.model import Bundle, Catalog, Collector, Fix, Implementation, KnownIssue

Item = Collector | Bundle | KnownIssue | Fix


def explain(item: Item, catalog: Catalog) -> list[str]:
    """Lines about an item: what it is for, what it looks at or changes, where it was run."""
    head = [f"{item.title}  ({item.id}, version {item.version})", f"digest      {item.digest}"]
    match item:
        case Collector():
            return [*head, *_collector(item)]
        case Bundle():
            return [*head, f"collects    {', '.join(item.collectors)}", f"at most     {item.timeout_seconds:g} s"]
        case KnownIssue():
            return [*head, *_issue(item, catalog)]
        case Fix():
            return [*head, *_fix(item, catalog)]


def _collector(item: Collector) -> list[str]:
    lines = [f"class       {item.sensitivity}"]
    for each in item.implementations:
        mark = "   unverified: nobody has run it there yet" if each.unverified else ""
        lines.append(f"{each.platform:<11} {_how(each)}{mark}")
    for name, spec in {**item.rows, **item.fields}.items():
        lines.append(f"  {name:<22} {spec.type:<8} {spec.sensitivity or item.sensitivity}")
    return lines


def _how(each: Implementation) -> str:
    if each.command is not None:
        return "runs " + " ".join(each.command.argv)
    return "PowerShell" if each.powershell else f"built in ({each.builtin})"


def _issue(item: KnownIssue, catalog: Catalog) -> list[str]:
    lines = [
        f"severity    {item.severity}, about {item.category or 'anything'}, on {', '.join(item.platforms)}",
        f"looks at    {', '.join(use.collector for use in item.collect)}",
        *(f"            {line}" for line in item.explanation.strip().splitlines()),
    ]
    if item.precondition:
        lines.append(f"only if     {item.precondition}")
    if item.item:
        lines.append(f"for each    {item.item} in {item.items}")
    for case in item.outcomes:
        lines.append(f"{case.result:<11} when {case.when}   {case.message}")
        if case.fix:
            title = catalog.fixes[case.fix].title if case.fix in catalog.fixes else "?"
            lines.append(f"            fix {case.fix}: {title}")
    return [*lines, f"tests       {len(item.tests)}"]


def _fix(item: Fix, catalog: Catalog) -> list[str]:
    offered = [issue.id for issue in catalog.issues.values() if any(case.fix == item.id for case in issue.outcomes)]
    risk = item.risk
    lines = [
        f"risk        {risk.level}: {risk.impact}; downtime {risk.downtime}, reversible {risk.reversible}",
        f"asks        {item.consent}",
        f"needs root  {'yes' if item.needs_root else 'no'}",
    ]
    for name, parameter in item.parameters.items():
        lines.append(f"parameter   {name}: {parameter.type}  {parameter.description}")
    lines += [f"before      {check.says or check.when}" for check in item.prechecks]
    for number, step in enumerate(item.steps, 1):
        undone = step.irreversible and f"cannot be undone: {step.irreversible}"
        lines.append(f"step {number:<6} {step.name} ({step.verb}){'   ' + undone if undone else ''}")
    lines += [f"after       {verify.says or verify.when}" for verify in item.verify]
    return [*lines, f"offered by  {', '.join(offered) or 'no known issue'}"]
