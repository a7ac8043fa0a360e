"""The relay's routes: every verb with its method and path; who may call it stands in relay/access.py.

    GET  /healthz                          health         anyone
    GET  /readyz                           ready          anyone
    GET  /metrics                          metrics        anyone
    GET  /v1/about                         about          anyone
    POST /v1/login/challenge               challenge      anyone
    POST /v1/login                         login          anyone
    GET  /v1/lists                         lists          operator, reviewer, technician
    GET  /v1/log/checkpoint                checkpoint     anyone
    GET  /v1/log/consistency               consistency    anyone
    GET  /v1/log/anchorings                anchorings     operator, reviewer, technician
    GET  /v1/log/successions               successions    anyone
    GET  /v1/log/tile/entries/{tile:.+}    entries        operator, reviewer
    GET  /v1/log/tile/{tile:.+}            tile           anyone
    GET  /v1/tickets                       tickets        reviewer, technician
    POST /v1/tickets                       new-ticket     technician
    GET  /v1/tickets/{ticket}              ticket         reviewer, technician
    POST /v1/tickets/{ticket}/notes        new-note       technician
    GET  /v1/tickets/{ticket}/reconcile    reconcile      operator, reviewer, technician
    POST /v1/tickets/{ticket}/reconcile    repair         operator, technician
    GET  /v1/outbox                        outbox         operator, reviewer, technician
    POST /v1/outbox/retry                  retry          operator, technician
    GET  /v1/alarms                        open-alarms    technician
    POST /v1/alarms/claims                 claim          technician
    GET  /v1/machines                      machines       reviewer, technician
    POST /v1/alarms/{source}/{kind}        alarm          anyone
    POST /v1/hooks/{system}                hook           anyone
    GET  /start/{ticket}                   start          anyone
    GET  /v1/sessions                      sessions       reviewer, technician
    GET  /v1/sessions/{session}            session        reviewer, technician
    GET  /v1/sessions/{session}/records    records        reviewer, technician
    GET  /v1/chains                        chains         operator, reviewer
    POST /v1/chains/records                new-records    operator, reviewer, technician
    GET  /v1/chains/{chain}                chain          operator, reviewer, technician
    GET  /v1/chains/{chain}/records        chain-records  operator, reviewer, technician
    GET  /v1/sessions/{session}/chunks/{seq}  chunk        reviewer
    WS   /v1/nameplate                     nameplate      technician
    WS   /v1/sessions/{session}/stream     stream         technician
    WS   /v1/join/{nameplate}              join           anyone
    WS   /v1/ask                           ask            anyone
    WS   /v1/accept/{nameplate}            accept         technician
    WS   /v1/standby                       standby        anyone
    WS   /v1/agent                         agent          anyone
    WS   /v1/streams/{ticket}              agent-stream   anyone

Rule 1: a path is served exactly as written here. One that would need normalising (doubled or trailing slash, dots,
per cent, semicolon, another case) is answered 404, never redirected (incident T1).
Rule 2: whoever may not call a verb is told so before its code runs, and before a WebSocket is opened.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Protocol

import structlog
from aiohttp import web

from relay.access import Caller, NotLoggedIn, Verb, check_may
from relay.bodies import Answer, answer
from relay.limits.sources import KEY
from relay.links.sockets import log_refusal
from remote_assist.core.api import NODE_HEADER, ApiError
from remote_assist.core.codes import relay_origin
from remote_assist.core.spoken import HEADER, OWN, check_caller, spoken_by
from remote_assist.errors import (
    AssistError,
    AuditUnavailable,
    ElsewhereError,
    RefusedError,
    RemoteProtocolError,
    UsageError,
    VerificationError,
)

WEBSOCKET = "WS"

MISDIRECTED = 421
"""HTTP status for "another node of this relay serves that"; the header names it. Never a redirect."""


@dataclass(frozen=True, slots=True)
class Route:
    """One verb's place. `method` is GET, POST or WS."""

    verb: Verb
    method: str
    path: str


ROUTES: tuple[Route, ...] = (
    Route(Verb.HEALTH, "GET", "/healthz"),
    Route(Verb.READY, "GET", "/readyz"),
    Route(Verb.METRICS, "GET", "/metrics"),
    Route(Verb.ABOUT, "GET", "/v1/about"),
    Route(Verb.CHALLENGE, "POST", "/v1/login/challenge"),
    Route(Verb.LOGIN, "POST", "/v1/login"),
    Route(Verb.LISTS, "GET", "/v1/lists"),
    Route(Verb.CHECKPOINT, "GET", "/v1/log/checkpoint"),
    Route(Verb.CONSISTENCY, "GET", "/v1/log/consistency"),
    Route(Verb.ANCHORINGS, "GET", "/v1/log/anchorings"),
    Route(Verb.SUCCESSIONS, "GET", "/v1/log/successions"),
    Route(Verb.ENTRIES, "GET", "/v1/log/tile/entries/{tile:.+}"),
    Route(Verb.TILE, "GET", "/v1/log/tile/{tile:.+}"),
    Route(Verb.TICKETS, "GET", "/v1/tickets"),
    Route(Verb.NEW_TICKET, "POST", "/v1/tickets"),
    Route(Verb.TICKET, "GET", "/v1/tickets/{ticket}"),
    Route(Verb.NEW_NOTE, "POST", "/v1/tickets/{ticket}/notes"),
    Route(Verb.RECONCILE, "GET", "/v1/tickets/{ticket}/reconcile"),
    Route(Verb.REPAIR, "POST", "/v1/tickets/{ticket}/reconcile"),
    Route(Verb.OUTBOX, "GET", "/v1/outbox"),
    Route(Verb.RETRY, "POST", "/v1/outbox/retry"),
    Route(Verb.OPEN_ALARMS, "GET", "/v1/alarms"),
    Route(Verb.CLAIM, "POST", "/v1/alarms/claims"),
    Route(Verb.MACHINES, "GET", "/v1/machines"),
    Route(Verb.ALARM, "POST", "/v1/alarms/{source}/{kind}"),
    Route(Verb.HOOK, "POST", "/v1/hooks/{system}"),
    Route(Verb.START, "GET", "/start/{ticket}"),
    Route(Verb.SESSIONS, "GET", "/v1/sessions"),
    Route(Verb.SESSION, "GET", "/v1/sessions/{session}"),
    Route(Verb.RECORDS, "GET", "/v1/sessions/{session}/records"),
    Route(Verb.CHAINS, "GET", "/v1/chains"),
    Route(Verb.NEW_RECORDS, "POST", "/v1/chains/records"),
    Route(Verb.CHAIN, "GET", "/v1/chains/{chain}"),
    Route(Verb.CHAIN_RECORDS, "GET", "/v1/chains/{chain}/records"),
    Route(Verb.CHUNK, "GET", "/v1/sessions/{session}/chunks/{seq}"),
    Route(Verb.NAMEPLATE, WEBSOCKET, "/v1/nameplate"),
    Route(Verb.STREAM, WEBSOCKET, "/v1/sessions/{session}/stream"),
    Route(Verb.JOIN, WEBSOCKET, "/v1/join/{nameplate}"),
    Route(Verb.ASK, WEBSOCKET, "/v1/ask"),
    Route(Verb.ACCEPT, WEBSOCKET, "/v1/accept/{nameplate}"),
    Route(Verb.STANDBY, WEBSOCKET, "/v1/standby"),
    Route(Verb.AGENT, WEBSOCKET, "/v1/agent"),
    Route(Verb.AGENT_STREAM, WEBSOCKET, "/v1/streams/{ticket}"),
)

OWN_SECRETS = frozenset({Verb.ALARM, Verb.HOOK})

_PLAIN_PATH = re.compile(
    r"(/[a-z0-9-]+)+(\.p/[1-9][0-9]{0,2})?|(/v1/tickets|/start)/[a-z0-9-]{1,16}:[A-Za-z0-9_-]{1,64}(/[a-z]+)?"
)
"""The one dot there is marks a tile that is not full yet; the colon parts a foreign ticket's system from its id."""

_STATUS = {
    "absent": 404,
    "closed": 409,
    "full": 409,
    "not-yet": 404,
    "busy": 429,
    "slow-down": 429,
}
"""Reason of a RefusedError → HTTP status; 403 for all others."""

_HTTP_REASONS = {404: "absent", 405: "absent", 413: "too-large"}


class Visits(Protocol):
    """Who is told of requests as they come (relay/links/front_door.py), and who says for whom they ask."""

    def arrived(self, request: web.Request) -> None:
        """A whole request head came."""

    def known(self, request: web.Request) -> None:
        """Its sender showed who it is."""

    def address_of(self, request: web.Request) -> str:
        """The address that asks."""


def build_application(
    answers: Mapping[Verb, Answer],
    *,
    caller_of: Callable[[web.Request], Awaitable[Caller | None]],
    origins: Collection[str],
    max_body_bytes: int,
    visits: Visits,
    check_new: Callable[[Verb], None],
    answer_seconds: float,
) -> web.Application:
    """The application with all routes. `answers` must have every verb; `visits` hears of every request.

    `check_new` is asked before a WebSocket is opened. An answer that its reader
    does not take within `answer_seconds` is cut off.
    """

    @web.middleware
    async def guard(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        visits.arrived(request)
        request[KEY] = visits.address_of(request)
        try:
            if not _PLAIN_PATH.fullmatch(request.raw_path.partition("?")[0]):
                raise RefusedError("there is nothing at this address", reason="absent")
            _check_spoken(request)
            return await _taken(request, await handler(request), answer_seconds)
        except web.HTTPException as error:
            return _refusal(request, error.status, _of_http(error))
        except ElsewhereError as error:
            there = _refusal(request, MISDIRECTED, _of_ours(error))
            there.headers[NODE_HEADER] = error.node
            return there
        except AssistError as error:
            return _refusal(request, status_of(error), _of_ours(error))
        except (ConnectionError, TimeoutError):
            raise
        except Exception as error:
            structlog.get_logger("server").error("failed", cause=type(error).__name__, where=_where(error))
            told = ApiError(reason="failed", sentence="the relay failed", advice="Ask its operator; the log says why.")
            return answer(told, status=500)

    application = web.Application(middlewares=[guard], client_max_size=max_body_bytes)
    application.on_response_prepare.append(_say_what_is_spoken)
    for route in ROUTES:
        method = "GET" if route.method == WEBSOCKET else route.method
        serve = _serve(route, answers[route.verb], caller_of, origins, visits, check_new)
        application.router.add_route(method, route.path, serve, name=route.verb.value)
    return application


async def _say_what_is_spoken(_request: web.Request, response: web.StreamResponse) -> None:
    response.headers[HEADER] = str(OWN)


def _check_spoken(request: web.Request) -> None:
    """Refuse another version of the protocol. The ends of a session tell each other what they speak."""
    if HEADER in request.headers and "Upgrade" not in request.headers:
        check_caller(spoken_by(request.headers[HEADER]), "program that asks")


async def _taken(request: web.Request, response: web.StreamResponse, seconds: float) -> web.StreamResponse:
    """Send an answer whole, within so many seconds. A WebSocket has been served already."""
    if isinstance(response, web.WebSocketResponse):
        return response
    try:
        async with asyncio.timeout(seconds):
            await response.prepare(request)
            await response.write_eof()
    except TimeoutError:
        log_refusal(None, "too-slow", request[KEY])
        if request.transport is not None:
            request.transport.abort()
        raise ConnectionResetError("the answer was not taken") from None
    return response


def status_of(error: AssistError) -> int:
    """The HTTP status of one of our errors."""
    if isinstance(error, NotLoggedIn):
        return 401
    if isinstance(error, AuditUnavailable):
        return 503
    if isinstance(error, RefusedError):
        return _STATUS.get(error.reason, 403)
    if isinstance(error, UsageError | RemoteProtocolError):
        return 400
    return 403 if isinstance(error, VerificationError) else 500


def _serve(
    route: Route,
    answer_it: Answer,
    caller_of: Callable[[web.Request], Awaitable[Caller | None]],
    origins: Collection[str],
    visits: Visits,
    check_new: Callable[[Verb], None],
) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def serve(request: web.Request) -> web.StreamResponse:
        if route.method == WEBSOCKET:
            _check_upgrade(request, origins)
            check_new(route.verb)
        # A source of alarms carries a secret of its own where others carry their token.
        caller = None if route.verb in OWN_SECRETS else await caller_of(request)
        if caller is not None:
            visits.known(request)
        check_may(route.verb, caller)
        return await answer_it(request, caller)

    return serve


def _check_upgrade(request: web.Request, origins: Collection[str]) -> None:
    """No page of another site may open a socket here (incident T11); the relay uses no cookies anyway."""
    if request.headers.get("Upgrade", "").lower() != "websocket":
        raise UsageError("a WebSocket is served here", advice="docs/protocol.md shows what is spoken on it.")
    origin = request.headers.get("Origin")
    if origin is not None and not _is_own(origin, origins):
        raise RefusedError("pages of other sites may not call this relay", reason="foreign-origin")


def _is_own(origin: str, origins: Collection[str]) -> bool:
    try:
        return relay_origin(origin) in origins
    except UsageError:
        return False


def _refusal(request: web.Request, status: int, told: ApiError) -> web.Response:
    name = request.match_info.route.name
    log_refusal(None if name is None else Verb(name), told.reason, request[KEY], status=status)
    return answer(told, status=status)


def _of_ours(error: AssistError) -> ApiError:
    reasons = {VerificationError: "unverified", UsageError: "usage", RemoteProtocolError: "malformed"}
    reason = getattr(error, "reason", None) or reasons.get(type(error), "refused")
    return ApiError(reason=reason, sentence=error.message, advice=error.advice)


def _of_http(error: web.HTTPException) -> ApiError:
    sentences = {404: "there is nothing at this address", 413: "the request is too large"}
    sentence = sentences.get(error.status, "the request cannot be answered")
    return ApiError(reason=_HTTP_REASONS.get(error.status, "usage"), sentence=sentence)


def _where(error: BaseException) -> str:
    """File and line of a fault, without values."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return "" if trace is None else f"{trace.tb_frame.f_code.co_filename.rpartition('/')[2]}:{trace.tb_lineno}"
