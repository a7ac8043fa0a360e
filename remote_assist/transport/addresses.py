"""The addresses of one relay, and which of them is tried next.

Rule: the address that answered last is tried first; one that did not answer is tried last. Whoever redials therefore
moves on by itself, also when its dial was given up from outside.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from remote_assist.core.codes import relay_origin
from remote_assist.errors import ElsewhereError, UnreachableError, UsageError

MAX_SENT_ON = 3
"""How often a dial is sent on to another node before it counts as not answered."""

ONE_OF_SEVERAL_SECONDS = 5.0
"""How long one address may take to answer while there are others to try."""

T = TypeVar("T")


class Addresses:
    """Origins of one relay, in the order they were given."""

    def __init__(self, origins: Sequence[str]) -> None:
        if not origins:
            raise UsageError("no relay was named", advice="Give --relay URL, or set REMOTE_ASSIST_RELAY.")
        self.all = tuple(dict.fromkeys(origins))
        self._next = deque(self.all)

    @property
    def current(self) -> str:
        """The one that is tried first now."""
        return self._next[0]

    def deadline(self, seconds: float) -> float:
        """How long a dial of one address may take, where one alone could take `seconds`."""
        return seconds if len(self.all) == 1 else min(seconds, ONE_OF_SEVERAL_SECONDS)

    async def reach(self, dial: Callable[[str], Awaitable[T]]) -> T:
        """What `dial` answers at the first address that can be reached; the others are tried in turn.

        A node of the relay that serves what is asked for is tried next when it is one of them, and never otherwise.
        Raises what `dial` raises: UnreachableError once every address failed, anything else at once.
        """
        failure: UnreachableError | None = None
        for _ in range(len(self.all) + MAX_SENT_ON):
            origin = self.current
            try:
                return await dial(origin)
            except ElsewhereError as error:
                failure = failure or UnreachableError(error.message)
                self._go_to(error)
            except UnreachableError as error:
                self._move_on(origin)
                failure = failure or error
            except asyncio.CancelledError:
                self._move_on(origin)  # it may have been too slow for whoever waited
                raise
        assert failure is not None
        raise self._none_answers(failure) if len(self.all) > 1 else failure

    def _move_on(self, origin: str) -> None:
        if self._next[0] == origin:
            self._next.rotate(-1)

    def _go_to(self, elsewhere: ElsewhereError) -> None:
        """Try the node that was named next. Raises what was said when it is none of the addresses known here."""
        try:
            node = relay_origin(elsewhere.node)
        except UsageError:
            raise elsewhere from None
        if node not in self._next:
            raise elsewhere
        self._next.remove(node)
        self._next.appendleft(node)

    def _none_answers(self, first: UnreachableError) -> UnreachableError:
        return UnreachableError(f"none of {len(self.all)} addresses answers; {first.message}", advice=first.advice)
