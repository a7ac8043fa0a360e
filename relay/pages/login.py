"""Who this relay is, and logging in, as HTTP verbs."""

from collections.abc import Callable
from datetime import datetime

from aiohttp import web

from relay.access import Caller
from relay.bodies import Bodies, answer
from relay.limits.penalties import Penalties
from relay.limits.sources import address_of
from relay.login import Logins
from relay.trust import TrustFolder
from remote_assist import __version__
from remote_assist.core.api import (
    About,
    ChallengeAnswer,
    ListsAnswer,
    Login,
)
from remote_assist.core.codes import relay_origin
from remote_assist.errors import RefusedError, UsageError, VerificationError


class LoginPages:
    """Who this relay is, and logging in."""

    def __init__(
        self,
        logins: Logins,
        trust: TrustFolder,
        penalties: Penalties,
        bodies: Bodies,
        *,
        origins: tuple[str, ...],
        clock: Callable[[], datetime],
    ) -> None:
        self._logins = logins
        self._trust = trust
        self._penalties = penalties
        self._bodies = bodies
        self._origins = origins
        self._clock = clock

    async def health(self, request: web.Request, caller: Caller | None) -> web.StreamResponse:
        """GET /healthz: the process answers."""
        return web.Response(text="ok\n")

    async def about(self, request: web.Request, caller: Caller | None) -> web.StreamResponse:
        """GET /v1/about: hints for people."""
        return answer(About(product="remote-assist", version=__version__, origin=self._origin(request)))

    async def challenge(self, request: web.Request, caller: Caller | None) -> web.StreamResponse:
        """POST /v1/login/challenge: a nonce."""
        return answer(ChallengeAnswer(nonce=self._logins.challenge(), origin=self._origin(request)))

    async def login(self, request: web.Request, caller: Caller | None) -> web.StreamResponse:
        """POST /v1/login: a token for a signature. Failures cost the address."""
        source = address_of(request)
        self._penalties.check(source, self._clock())
        asked = await self._bodies.read(request, Login)
        try:
            return answer(await self._logins.login(asked, origin=self._origin(request)))
        except (VerificationError, RefusedError, UsageError):
            self._penalties.failed(source, self._clock())
            raise

    async def lists(self, request: web.Request, caller: Caller | None) -> web.StreamResponse:
        """GET /v1/lists: what the CA signed."""
        return answer(ListsAnswer(lists=self._trust.raw))

    def _origin(self, request: web.Request) -> str:
        """The name of this relay the caller used, if it is one of its names."""
        try:
            used = relay_origin(f"{request.scheme}://{request.host}")
        except UsageError:
            return self._origins[0]
        return used if used in self._origins else self._origins[0]
