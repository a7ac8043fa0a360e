"""The OpenAPI document of the HTTP API, made from the routes, who may call them, and the types of their bodies.

`python -m relay.openapi > docs/openapi.json`; a test fails when that file is not what this makes.
"""

import json
import re
import sys
from dataclasses import fields
from typing import Any

import msgspec

from relay.access import ANYONE, MAY, Verb
from relay.log.session_filter import MAX_TEXT, SessionFilter
from relay.routes import ROUTES, WEBSOCKET, Route
from remote_assist import __version__
from remote_assist.core.api import (
    About,
    AlarmClaim,
    AlarmClaimed,
    AlarmsTaken,
    Anchorings,
    ApiError,
    Chains,
    ChainSummary,
    ChallengeAnswer,
    ConsistencyAnswer,
    Deliveries,
    HookTaken,
    ListsAnswer,
    Login,
    LoginAnswer,
    Machines,
    NewNote,
    NewRecords,
    NewRecordsAnswer,
    NewTicket,
    OpenAlarms,
    Reconciled,
    Records,
    Retried,
    Retry,
    Sessions,
    SessionSummary,
    SuccessionsAnswer,
    Ticket,
    TicketNote,
    Tickets,
)

TEXT, BYTES = "text/plain", "application/octet-stream"

BODIES: dict[Verb, type] = {
    Verb.LOGIN: Login,
    Verb.NEW_TICKET: NewTicket,
    Verb.NEW_NOTE: NewNote,
    Verb.NEW_RECORDS: NewRecords,
    Verb.RETRY: Retry,
    Verb.CLAIM: AlarmClaim,
}
ANSWERS: dict[Verb, type | str] = {
    Verb.HEALTH: TEXT,
    Verb.READY: TEXT,
    Verb.METRICS: TEXT,
    Verb.ABOUT: About,
    Verb.CHALLENGE: ChallengeAnswer,
    Verb.LOGIN: LoginAnswer,
    Verb.LISTS: ListsAnswer,
    Verb.CHECKPOINT: TEXT,
    Verb.TILE: BYTES,
    Verb.ENTRIES: BYTES,
    Verb.CONSISTENCY: ConsistencyAnswer,
    Verb.ANCHORINGS: Anchorings,
    Verb.SUCCESSIONS: SuccessionsAnswer,
    Verb.TICKETS: Tickets,
    Verb.TICKET: Ticket,
    Verb.NEW_TICKET: Ticket,
    Verb.NEW_NOTE: TicketNote,
    Verb.RECONCILE: Reconciled,
    Verb.ALARM: AlarmsTaken,
    Verb.OPEN_ALARMS: OpenAlarms,
    Verb.CLAIM: AlarmClaimed,
    Verb.MACHINES: Machines,
    Verb.HOOK: HookTaken,
    Verb.START: "text/html",
    Verb.REPAIR: Reconciled,
    Verb.OUTBOX: Deliveries,
    Verb.RETRY: Retried,
    Verb.SESSIONS: Sessions,
    Verb.SESSION: SessionSummary,
    Verb.RECORDS: Records,
    Verb.CHAINS: Chains,
    Verb.CHAIN: ChainSummary,
    Verb.CHAIN_RECORDS: Records,
    Verb.NEW_RECORDS: NewRecordsAnswer,
    Verb.CHUNK: BYTES,
}
"""Verb → what a successful answer holds; a verb that is not here is a WebSocket."""

CREATES = frozenset({Verb.NEW_TICKET, Verb.NEW_NOTE, Verb.NEW_RECORDS})
QUERIES: dict[Verb, tuple[str, ...]] = {
    Verb.RECORDS: ("from", "size"),
    Verb.CHAIN_RECORDS: ("from", "size"),
    Verb.CONSISTENCY: ("from", "to"),
    Verb.ANCHORINGS: ("from",),
    Verb.CHECKPOINT: ("covers", "fresh"),
}
TEXT_QUERIES: dict[Verb, tuple[str, ...]] = {
    Verb.SESSIONS: tuple(field.name for field in fields(SessionFilter)),
    Verb.NAMEPLATE: ("ticket", "machine"),
    Verb.ACCEPT: ("ticket",),
}
REQUIRED_QUERIES = frozenset({Verb.CONSISTENCY})
REF = "#/components/schemas/{name}"


def document() -> dict[str, Any]:
    """The whole document."""
    kinds = [ApiError, *BODIES.values(), *(kind for kind in ANSWERS.values() if isinstance(kind, type))]
    _, schemas = msgspec.json.schema_components(kinds, ref_template=REF)
    paths: dict[str, dict[str, Any]] = {}
    for route in ROUTES:
        path = re.sub(r":[^}]*\}", "}", route.path)
        method = "get" if route.method == WEBSOCKET else route.method.lower()
        paths.setdefault(path, {})[method] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {"title": "remote-assist relay", "version": __version__, "license": {"name": "Apache-2.0"}},
        "paths": paths,
        "components": {
            "schemas": dict(sorted(schemas.items())),
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def text() -> str:
    """The document as it is kept in docs/."""
    return json.dumps(document(), indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def _operation(route: Route) -> dict[str, Any]:
    verb, roles = route.verb, MAY[route.verb]
    open_to_all = roles is ANYONE
    found: dict[str, Any] = {
        "operationId": verb.value,
        "description": "Open to anyone." if open_to_all else f"For {', '.join(sorted(roles))}.",
        "security": [] if open_to_all else [{"token": []}],
        "parameters": [*_in_path(route.path), *_in_query(verb)],
        "responses": {**_success(verb), "default": _refusal()},
    }
    if verb in BODIES:
        found["requestBody"] = {"required": True, "content": _json(BODIES[verb])}
    return found


def _success(verb: Verb) -> dict[str, Any]:
    kind = ANSWERS.get(verb)
    if kind is None:
        return {"101": {"description": "A WebSocket; docs/protocol.md says what is spoken on it."}}
    content = {kind: {"schema": {"type": "string"}}} if isinstance(kind, str) else _json(kind)
    return {"201" if verb in CREATES else "200": {"description": "Done.", "content": content}}


def _refusal() -> dict[str, Any]:
    return {"description": "Refused, with a reason, a sentence and advice.", "content": _json(ApiError)}


def _json(kind: type) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": REF.format(name=kind.__name__)}}}


def _in_path(path: str) -> list[dict[str, Any]]:
    names = re.findall(r"\{([a-z]+)", path)
    return [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names]


def _in_query(verb: Verb) -> list[dict[str, Any]]:
    number = {"type": "integer", "minimum": 0, "maximum": 999_999_999}
    needed = verb in REQUIRED_QUERIES
    text = {"type": "string", "minLength": 1, "maxLength": MAX_TEXT}
    numbers = [{"name": name, "in": "query", "required": needed, "schema": number} for name in QUERIES.get(verb, ())]
    return numbers + [{"name": name, "in": "query", "schema": text} for name in TEXT_QUERIES.get(verb, ())]


if __name__ == "__main__":
    sys.stdout.write(text())
