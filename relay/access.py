"""Who may call what: one table of verbs, and the tokens that say who is calling.

Rule 1: a verb that is not in `MAY` does not exist; the router is built from it (relay/routes.py).
Rule 2: a token has one role, the one asked for at login, and ends with the certificate it was given for.
Rule 3: of a token only its SHA-256 is kept.
"""

import hashlib
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select

from relay.storage.schema import logins, tokens
from relay.storage.store import Store
from remote_assist.core.records import format_time, parse_time
from remote_assist.errors import RefusedError

TOKEN_BYTES = 32
MAX_TOKENS = 10_000


class Verb(StrEnum):
    """Everything the relay can be asked to do."""

    HEALTH = "health"
    READY = "ready"
    METRICS = "metrics"
    ABOUT = "about"
    CHALLENGE = "challenge"
    LOGIN = "login"
    LISTS = "lists"
    CHECKPOINT = "checkpoint"
    CONSISTENCY = "consistency"
    ANCHORINGS = "anchorings"
    SUCCESSIONS = "successions"
    TILE = "tile"
    ENTRIES = "entries"
    TICKETS = "tickets"
    TICKET = "ticket"
    NEW_TICKET = "new-ticket"
    NEW_NOTE = "new-note"
    RECONCILE = "reconcile"
    REPAIR = "repair"
    OUTBOX = "outbox"
    RETRY = "retry"
    ALARM = "alarm"
    OPEN_ALARMS = "open-alarms"
    CLAIM = "claim"
    MACHINES = "machines"
    HOOK = "hook"
    START = "start"
    SESSIONS = "sessions"
    SESSION = "session"
    RECORDS = "records"
    CHAINS = "chains"
    CHAIN = "chain"
    CHAIN_RECORDS = "chain-records"
    NEW_RECORDS = "new-records"
    CHUNK = "chunk"
    NAMEPLATE = "nameplate"
    STREAM = "stream"
    JOIN = "join"
    ASK = "ask"
    ACCEPT = "accept"
    STANDBY = "standby"
    AGENT = "agent"
    AGENT_STREAM = "agent-stream"


TECHNICIAN, REVIEWER, OPERATOR = "technician", "reviewer", "operator"

ANYONE = frozenset({"anyone"})
"""No login: the verb proves what it needs by itself (a code, a signature, a one-time ticket), or tells nothing."""

MAY: dict[Verb, frozenset[str]] = {
    Verb.HEALTH: ANYONE,
    Verb.READY: ANYONE,
    Verb.METRICS: ANYONE,
    Verb.ABOUT: ANYONE,
    Verb.CHALLENGE: ANYONE,
    Verb.LOGIN: ANYONE,
    Verb.LISTS: frozenset({TECHNICIAN, REVIEWER, OPERATOR}),
    Verb.CHECKPOINT: ANYONE,
    Verb.CONSISTENCY: ANYONE,
    Verb.ANCHORINGS: frozenset({TECHNICIAN, REVIEWER, OPERATOR}),
    Verb.SUCCESSIONS: ANYONE,
    Verb.TILE: ANYONE,
    Verb.ENTRIES: frozenset({REVIEWER, OPERATOR}),
    Verb.TICKETS: frozenset({TECHNICIAN, REVIEWER}),
    Verb.TICKET: frozenset({TECHNICIAN, REVIEWER}),
    Verb.NEW_TICKET: frozenset({TECHNICIAN}),
    Verb.NEW_NOTE: frozenset({TECHNICIAN}),
    Verb.RECONCILE: frozenset({TECHNICIAN, REVIEWER, OPERATOR}),
    Verb.REPAIR: frozenset({TECHNICIAN, OPERATOR}),
    Verb.OUTBOX: frozenset({TECHNICIAN, REVIEWER, OPERATOR}),
    Verb.RETRY: frozenset({TECHNICIAN, OPERATOR}),
    Verb.ALARM: ANYONE,
    Verb.OPEN_ALARMS: frozenset({TECHNICIAN}),
    Verb.CLAIM: frozenset({TECHNICIAN}),
    Verb.MACHINES: frozenset({TECHNICIAN, REVIEWER}),
    Verb.HOOK: ANYONE,
    Verb.START: ANYONE,
    Verb.SESSIONS: frozenset({TECHNICIAN, REVIEWER}),
    Verb.SESSION: frozenset({TECHNICIAN, REVIEWER}),
    Verb.RECORDS: frozenset({TECHNICIAN, REVIEWER}),
    Verb.CHAINS: frozenset({REVIEWER, OPERATOR}),
    Verb.CHAIN: frozenset({TECHNICIAN, REVIEWER, OPERATOR}),
    Verb.CHAIN_RECORDS: frozenset({TECHNICIAN, REVIEWER, OPERATOR}),
    Verb.NEW_RECORDS: frozenset({TECHNICIAN, REVIEWER, OPERATOR}),
    Verb.CHUNK: frozenset({REVIEWER}),
    Verb.NAMEPLATE: frozenset({TECHNICIAN}),
    Verb.STREAM: frozenset({TECHNICIAN}),
    Verb.JOIN: ANYONE,
    Verb.ASK: ANYONE,
    Verb.ACCEPT: frozenset({TECHNICIAN}),
    Verb.STANDBY: ANYONE,
    Verb.AGENT: ANYONE,
    Verb.AGENT_STREAM: ANYONE,
}
"""Verb → roles. Tiles are bare hashes; entries tell when something was recorded.

A technician's SESSIONS, SESSION, RECORDS and STREAM reach their own sessions only, CHAIN and CHAIN_RECORDS their own
records only; what anybody may write by NEW_RECORDS is in core/record_codes.py."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls. `key` is the fingerprint of the certified key; `expires` ends the token."""

    name: str
    key: str
    serial: int
    role: str
    expires: datetime


class NotLoggedIn(RefusedError):
    """No token, or one that is unknown or over."""

    def __init__(self) -> None:
        super().__init__("you are not logged in", reason="not-logged-in", advice="Log in: remote-assist login --key …")


def check_may(verb: Verb, caller: Caller | None) -> None:
    """Raise NotLoggedIn or RefusedError `role` unless the table allows the verb to the caller."""
    roles = MAY[verb]
    if roles is ANYONE:
        return
    if caller is None:
        raise NotLoggedIn
    if caller.role not in roles:
        raise RefusedError(
            f"a {caller.role} may not do this", reason="role", advice=f"Log in as {' or '.join(sorted(roles))}."
        )


def owner_filter(caller: Caller) -> str | None:
    """The key whose sessions the caller may see; None for all."""
    return None if caller.role == REVIEWER else caller.key


class Tokens:
    """Tokens given out; kept in memory for look-ups, in the store for restarts."""

    def __init__(
        self, store: Store, *, clock: Callable[[], datetime], entropy: Callable[[int], bytes], several: bool = False
    ) -> None:
        """`several`: other nodes give tokens too."""
        self._store = store
        self._several = several
        self._clock = clock
        self._entropy = entropy
        self._callers: dict[bytes, Caller] = {}

    async def load(self) -> None:
        """Take over the tokens of an earlier run."""
        now = format_time(self._clock())

        def rows(connection: Connection) -> dict[bytes, Caller]:
            found = connection.execute(select(tokens).where(tokens.c.expires > now))
            return {row.hash: _caller(row) for row in found}

        self._callers = await self._store.read(rows)

    async def give(self, caller: Caller) -> str:
        """A new token for `caller`, stored (its hash) before it is given out."""
        now = self._clock()
        self._callers = {hash: one for hash, one in self._callers.items() if one.expires > now}
        if len(self._callers) >= MAX_TOKENS:
            raise RefusedError("too many people are logged in", reason="busy", advice="Try again later.")
        token = self._entropy(TOKEN_BYTES).hex()
        hash = _hash(token)
        await self._store.write(lambda connection: _insert(connection, hash, caller, now))
        self._callers[hash] = caller
        return token

    async def caller(self, authorization: str, *, revoked: Collection[int]) -> Caller | None:
        """Who an `Authorization` header names; None when there is none. Raises NotLoggedIn for a bad token,
        RefusedError for one of a revoked certificate.
        """
        if not authorization:
            return None
        scheme, _, token = authorization.partition(" ")
        caller = await self._look_up(_hash(token)) if scheme.lower() == "bearer" else None
        if caller is not None and caller.serial in revoked:
            raise RefusedError(
                "your certificate was revoked by your organisation",
                reason="revoked",
                advice="Ask the organisation's operator for a new one, and log in with it.",
            )
        if caller is None or caller.expires <= self._clock():
            raise NotLoggedIn
        return caller

    async def _look_up(self, hash: bytes) -> Caller | None:
        """The caller with a token; one that another node gave is in the store only."""
        caller = self._callers.get(hash)
        if caller is None and self._several:
            query = select(tokens).where(tokens.c.hash == hash)
            row = await self._store.read(lambda connection: connection.execute(query).first())
            if row is not None:
                caller = self._callers[hash] = _caller(row)
        return caller


def _caller(row: Row[Any]) -> Caller:
    return Caller(row.name, row.key, row.serial, row.role, parse_time(row.expires))


def _insert(connection: Connection, hash: bytes, caller: Caller, now: datetime) -> None:
    who = {"name": caller.name, "key": caller.key, "serial": caller.serial, "role": caller.role}
    connection.execute(delete(tokens).where(tokens.c.expires <= format_time(now)))
    connection.execute(insert(tokens), {"hash": hash, **who, "expires": format_time(caller.expires)})
    connection.execute(insert(logins), {"time": format_time(now), **who})


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
