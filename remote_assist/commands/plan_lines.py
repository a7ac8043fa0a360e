"""What will be done, in lines people read before it is: a fix's plan, a look's estimate."""

from remote_assist.commands.progress_line import size_words
from remote_assist.core.catalog.estimates import Estimate
from remote_assist.core.plan_words import diff_lines, is_diff
from remote_assist.core.requests import Plan


def plan_lines(plan: Plan) -> list[str]:
    """A plan as people read it before they say yes."""
    lines = [f"{plan.title}  (risk: {plan.risk})", f"consent    {plan.consent}"]
    lines += [f"precheck   {check}" for check in plan.prechecks]
    for number, step in enumerate(plan.steps, 1):
        change = f"   {step.before} → {step.after}" if step.before or step.after else ""
        change, diff = (f"   {step.before}", diff_lines(step.after)) if is_diff(step) else (change, [])
        lines.append(f"{number:<3}        {step.name}{change}   undo: {step.undo or 'none'}")
        lines += [f"             {line}" for line in diff]
        if step.blocked:
            lines.append(f"           blocked: {step.blocked}")
    lines += [f"verify     {check}" for check in plan.verify]
    lines.append(f"plan       {plan.digest}")
    if not plan.runnable:
        lines.append(f"cannot run: {plan.why_not}")
    return lines


def estimate_line(expected: Estimate) -> str:
    """An estimate as people read it."""
    known = f", {expected.seen} of them seen before" if expected.seen else ""
    return (
        f"{expected.items} items{known}: about {expected.seconds:g} s and {size_words(expected.size_bytes)}, "
        f"never more than {expected.at_most_seconds:g} s and {size_words(expected.at_most_bytes)}"
    )
