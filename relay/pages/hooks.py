"""POST /v1/hooks/{system}: a ticket system says that something happened to a ticket, and the relay looks.

Rule: the same delivery is looked at once; the ids of the last ones are kept in memory only, because all a repeat could
do is have us ask the system once more.
"""

from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime

from aiohttp import web

from relay.access import Caller
from relay.bodies import answer
from relay.limits.penalties import Penalties
from relay.limits.sources import address_of
from relay.tickets.desk import TicketDesk
from relay.tickets.systems import read_secret
from remote_assist.core.api import HookTaken
from remote_assist.errors import RefusedError
from remote_assist.tickets.hooks import proven

MAX_REMEMBERED = 10_000


class HookPages:
    """The door for webhooks."""

    def __init__(self, desk: TicketDesk, penalties: Penalties, *, clock: Callable[[], datetime]) -> None:
        self._desk = desk
        self._penalties = penalties
        self._clock = clock
        self._seen: OrderedDict[tuple[str, str], None] = OrderedDict()

    async def hook(self, request: web.Request, caller: Caller | None) -> web.StreamResponse:
        """Prove a hook and ask its system how the ticket stands; a ticket nobody looked at here is left alone."""
        system, address = request.match_info["system"], address_of(request)
        self._penalties.check(address, self._clock())
        raw = await request.read()
        try:
            settings = self._desk.systems.settings.get(system)
            if settings is None:
                raise RefusedError("this relay takes no hooks from you", reason="unknown-source")
            headers = {name.lower(): value for name, value in request.headers.items()}
            secret = read_secret(settings.hook_secret)
            hook = proven(settings.kind, headers, raw, secret=secret, now=self._clock())
        except RefusedError:
            self._penalties.failed(address, self._clock())
            raise
        if not self._is_new(system, hook.delivery):
            return answer(HookTaken(looked=False))
        return answer(HookTaken(looked=await self._desk.look_again(f"{system}:{hook.ticket}")))

    def _is_new(self, system: str, delivery: str) -> bool:
        key = (system, delivery)
        if key in self._seen:
            return False
        self._seen[key] = None
        while len(self._seen) > MAX_REMEMBERED:
            self._seen.popitem(last=False)
        return True
