"""POST /v1/alarms/{source}/{kind}: monitoring systems tell of alarms, each source with a secret of its own.

Rule: who may tell is checked before anything of the body is looked at; a wrong secret costs the address.
"""

import hmac
from collections.abc import Callable
from datetime import datetime

from aiohttp import web

from relay.access import Caller
from relay.bodies import answer
from relay.limits.penalties import Penalties
from relay.limits.sources import address_of
from relay.tickets.alarm_desk import AlarmDesk
from relay.tickets.systems import read_secret
from remote_assist.core.api import AlarmsTaken
from remote_assist.errors import RefusedError
from remote_assist.tickets.alarms import Alarm, from_alertmanager, from_cloud_event, from_words


class AlarmPages:
    """The door for alarms."""

    def __init__(self, desk: AlarmDesk, penalties: Penalties, *, clock: Callable[[], datetime]) -> None:
        self._desk = desk
        self._penalties = penalties
        self._clock = clock

    async def alarm(self, request: web.Request, caller: Caller | None) -> web.StreamResponse:
        """Take alarms. 200 once they are on disk, with the ticket each one is on, if it is already."""
        source, kind = request.match_info["source"], request.match_info["kind"]
        self._check_secret(request, source)
        found = _read(kind, await request.read(), request)
        return answer(AlarmsTaken(alarms=await self._desk.take(source, found)))

    def _check_secret(self, request: web.Request, source: str) -> None:
        address = address_of(request)
        self._penalties.check(address, self._clock())
        scheme, _, told = request.headers.get("Authorization", "").partition(" ")
        settings = self._desk.sources.get(source)
        secret = read_secret(settings.secret) if settings is not None else ""
        if not secret or scheme.lower() != "bearer" or not hmac.compare_digest(told.encode(), secret.encode()):
            self._penalties.failed(address, self._clock())
            raise RefusedError("this relay takes no alarms from you", reason="unknown-source")


def _read(kind: str, raw: bytes, request: web.Request) -> tuple[Alarm, ...]:
    if kind == "alertmanager":
        return from_alertmanager(raw)
    if kind == "cloudevents":
        return from_cloud_event(raw, request.headers)
    if kind == "alarm":
        return from_words(raw)
    raise RefusedError(f"there is no kind of alarm '{kind[:20]}'", reason="absent")
