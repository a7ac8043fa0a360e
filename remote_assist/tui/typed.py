"""Keys typed ahead: each goes where the one before it led.

Over a slow line keys arrive in bursts. Textual hands each to what has the focus at that moment, though the one before
it (a tab's number, say) was not acted on yet: letters meant for a field would be taken as commands of another place.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

from textual.app import App
from textual.binding import Binding
from textual.dom import DOMNode
from textual.events import Event, Key

from remote_assist.tui.focus import takes_every_key

PATIENCE_SECONDS = 1.0
"""How long a key may be under way before the next one follows anyway."""

MAX_WAITING = 4096
"""Most keys that wait; those typed beyond are dropped."""


class TypedAhead:
    """The keys of one app, in their order. `deliver`: what the app does with a key on its own."""

    def __init__(self, app: App[None], deliver: Callable[[Event], Awaitable[None]]) -> None:
        self._app = app
        self._deliver = deliver
        self._waiting: deque[Event] = deque()
        self._under_way: asyncio.Task[None] | None = None

    @property
    def busy(self) -> bool:
        """Whether a key is under way or waits."""
        return self._under_way is not None and not self._under_way.done()

    async def take(self, event: Event) -> None:
        """Deliver a key now, or when the one before it has arrived; none while the app ends and has no screen."""
        if not self._app.screen_stack:
            return
        if self.busy:
            if len(self._waiting) < MAX_WAITING:
                self._waiting.append(event)
            return
        target = await self._send(event)
        self._under_way = asyncio.create_task(self._follow(target, event))

    def drop(self) -> None:
        """Forget what waits: the app ends."""
        self._waiting.clear()
        if self._under_way is not None:
            self._under_way.cancel()

    async def _send(self, event: Event) -> DOMNode:
        target = self._app.focused or self._app.screen
        await self._deliver(event)
        return target

    async def _follow(self, target: DOMNode, event: Event) -> None:
        await _arrival(target, event)
        while self._waiting and self._app.screen_stack:
            following = self._waiting.popleft()
            await _arrival(await self._send(following), following)


async def _arrival(target: DOMNode, event: Event) -> None:
    """Wait until a key given to `target` was dealt with there or, on its way up, by one of its parents."""
    if takes_every_key(target) and not _leads_elsewhere(target, event):
        return
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            for node in target.ancestors_with_self:
                passed = asyncio.Event()
                if node.call_later(passed.set):
                    await passed.wait()
    except TimeoutError:
        return


def _leads_elsewhere(terminal: DOMNode, event: Event) -> bool:
    """Whether this is one of the few keys that do not go to the program there: after it, others may have the keys."""
    kept = {binding.key for binding in terminal.BINDINGS if isinstance(binding, Binding)}
    return isinstance(event, Key) and event.key in kept
