"""The collector `trend`: what the samples of `watch` say, where watch runs."""

from remote_assist.diagnostics.look import Gathered, Look, Unavailable


async def trend(look: Look) -> Gathered:
    """The facts that were handed in with the look; nothing of the machine is read."""
    if look.trend is None:
        raise Unavailable("`remote-assist watch` keeps no samples here")
    return Gathered(look.trend)
