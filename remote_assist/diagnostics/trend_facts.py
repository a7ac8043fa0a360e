"""The collector `trend`: what the samples of `watch` say, where watch runs."""

from collections.abc import Iterable

from remote_assist.diagnostics.look import Gathered, Look, Unavailable

COLLECTOR = "trend"


def wanted(collectors: Iterable[str], look: Look) -> list[str]:
    """The collectors to run, each once: where watch keeps no samples, nobody asks for what they say."""
    return [name for name in dict.fromkeys(collectors) if name != COLLECTOR or look.trend is not None]


async def trend(look: Look) -> Gathered:
    """The facts that were handed in with the look; nothing of the machine is read."""
    if look.trend is None:
        raise Unavailable("`remote-assist watch` keeps no samples here")
    return Gathered(look.trend)
