"""The customer looks at what a bundle will read, item by item, and strikes what they do not want read.

Rule: asked with `--ask-each` and somebody at the screen, before anything is read; silence and Escape are a no.
"""

from collections.abc import Sequence

from remote_assist.agent.texts import say
from remote_assist.core.catalog.estimates import Estimate
from remote_assist.core.catalog.preview import PreviewItem
from remote_assist.core.hostile import HostileStr
from remote_assist.core.prompt import Prompt, TypedQuestion
from remote_assist.errors import ConsentDenied

MAX_TRIES = 3


async def ask_to_strike(
    prompt: Prompt, items: Sequence[PreviewItem], expected: Estimate, deadline_seconds: float
) -> frozenset[str]:
    """The collectors that are not to run. Raises ConsentDenied for a no."""
    kib = max(1, expected.size_bytes // 1024)
    prompt.show(say("strike.title", count=len(items), seconds=expected.seconds, kib=kib))
    for number, item in enumerate(items, 1):
        prompt.show(say("ask.detail", detail=f"{number:>3}  {item.title} ({item.sensitivity})"))
        for read in item.reads:
            prompt.show(say("ask.detail", detail=f"       {read}"))
    for _ in range(MAX_TRIES):
        answer = await prompt.typed(TypedQuestion((), HostileStr(say("strike.ask")), deadline_seconds))
        if answer is None:
            break
        numbers = struck_numbers(answer, len(items))
        if numbers is not None:
            struck = frozenset(items[number - 1].collector for number in numbers)
            prompt.show(say("strike.struck", count=len(struck)))
            return struck
    raise ConsentDenied("the customer did not allow this look", reason="denied")


def struck_numbers(text: str, count: int) -> frozenset[int] | None:
    """`1, 4 7-9` as numbers; None for what is not that."""
    numbers: set[int] = set()
    for word in text.replace(",", " ").split():
        first, dash, last = word.partition("-")
        if not (first.isdecimal() and (last.isdecimal() or not dash)) or len(word) > 20:
            return None
        low, high = int(first), int(last or first)
        if not 1 <= low <= high <= count:
            return None
        numbers.update(range(low, high + 1))
    return frozenset(numbers)
