"""Consent: what the customer allowed, to whom, until when. A table of states and events; nothing else decides.

Rule 1: grants enter only by `Granted`, which the agent makes from a local answer (`grants_of`), never from a
message of a peer, and only for the session this consent belongs to.
Rule 2: whatever narrows (`Revoked`, `TimePassed`, `Ended`) is accepted in every state; what ended stays ended.
Rule 3: a grant expires at whichever of the two clocks gets there first, and expiry cannot be undone by turning
a clock back: the clock that counts through suspend (`boot_seconds`) cannot be turned, and a grant that `TimePassed`
has taken away is gone.

This file does not know how the customer is asked, nor what an action does.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from msgspec import structs

from remote_assist.core.messages import Grant
from remote_assist.core.records import format_time, parse_time
from remote_assist.core.wishes import SCOPES, Wish, common, place_of, scope_of
from remote_assist.errors import LocalProtocolError, RefusedError

ANY_SCOPE = ""
"""What an action that needs no scope (chat, asking for more) carries."""


class State(StrEnum):
    """Where a consent stands."""

    OPEN = "open"
    PAUSED = "paused"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Moment:
    """One look at both clocks: `utc` can be set by people and servers, `boot_seconds` counts on through suspend."""

    utc: datetime
    boot_seconds: float


@dataclass(frozen=True, slots=True)
class Held:
    """A grant with its end on both clocks."""

    grant: Grant
    until_utc: datetime
    until_boot_seconds: float

    def expired(self, now: Moment) -> bool:
        """True at the end itself and after, on either clock."""
        return now.utc >= self.until_utc or now.boot_seconds >= self.until_boot_seconds


@dataclass(frozen=True, slots=True)
class Granted:
    """The customer allowed these, at this moment, for this session."""

    session: str
    grants: tuple[Grant, ...]
    at: Moment


@dataclass(frozen=True, slots=True)
class Paused:
    """The customer holds everything up; nothing is taken back."""


@dataclass(frozen=True, slots=True)
class Resumed:
    """The customer lets things go on."""


@dataclass(frozen=True, slots=True)
class Revoked:
    """The customer took grants back, by id; none named means all."""

    grants: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TimePassed:
    """It is now `at`; grants that ended are gone for good."""

    at: Moment


@dataclass(frozen=True, slots=True)
class Ended:
    """The session is over."""

    reason: str = ""


Event = Granted | Paused | Resumed | Revoked | TimePassed | Ended

NEXT: dict[State, dict[type[Event], State]] = {
    State.OPEN: {
        Granted: State.OPEN,
        Paused: State.PAUSED,
        Revoked: State.OPEN,
        TimePassed: State.OPEN,
        Ended: State.ENDED,
    },
    State.PAUSED: {
        Granted: State.PAUSED,
        Resumed: State.OPEN,
        Revoked: State.PAUSED,
        TimePassed: State.PAUSED,
        Ended: State.ENDED,
    },
    State.ENDED: {
        Revoked: State.ENDED,
        TimePassed: State.ENDED,
        Ended: State.ENDED,
    },
}
"""state × event → state. A pair that is not here raises; every pair has a test."""


@dataclass(frozen=True, slots=True)
class Consent:
    """One session's consent. A value: `after` answers the next one."""

    session: str
    state: State = State.OPEN
    held: tuple[Held, ...] = ()
    lost: tuple[tuple[str, str, str], ...] = ()
    """(scope, key, reason) of grants that went, so that a refusal can say why."""
    used: frozenset[str] = frozenset()
    """Ids of every grant there ever was: none enters twice, not even after it was revoked."""
    end_reason: str = ""

    def after(self, event: Event) -> "Consent":
        """The consent once `event` has happened.

        Raises LocalProtocolError for a pair outside the table, RefusedError for grants of another session
        or grants whose time is over.
        """
        state = NEXT[self.state].get(type(event))
        if state is None:
            raise LocalProtocolError(f"{type(event).__name__} cannot happen to a consent that is {self.state}")
        return replace(_APPLY[type(event)](self, event), state=state)

    def check(self, scope: str, *, key: str, now: Moment, path: bytes | None = None, place: str = "") -> Grant:
        """The grant that allows `scope` for `key` right now.

        `path` is the absolute path the action touches, `place` the endpoint or machine it reaches; a grant that names
        folders or places allows nothing without them.
        Raises RefusedError with reason ended, paused, out-of-scope, expired, revoked, outside-folders or other-place.
        """
        self.check_open()
        mine = [held for held in self.held if held.grant.scope == scope and held.grant.key == key]
        valid = [held for held in mine if not held.expired(now)]
        if not valid:
            raise self._missing(scope, key, expired=bool(mine))
        for held in valid:
            if _inside(path, held.grant.folders) and (not held.grant.places or place in held.grant.places):
                return held.grant
        if places := ", ".join(place for held in valid for place in held.grant.places or ()):
            raise RefusedError(
                f"the customer allowed {scope} only to {places}",
                reason="other-place",
                advice=_ASK_AGAIN.format(scope=f"{scope}={place}"),
            )
        folders = ", ".join(folder for held in valid for folder in held.grant.folders)
        raise RefusedError(
            f"the customer allowed {scope} only inside {folders}",
            reason="outside-folders",
            advice="Ask the customer for a wider consent with `remote-assist request`.",
        )

    def check_open(self) -> None:
        """Raise RefusedError (ended, paused) unless actions may run at all."""
        if self.state is State.ENDED:
            raise RefusedError(
                "the session has ended", reason="ended", advice="Invite the customer again if more is to be done."
            )
        if self.state is State.PAUSED:
            raise RefusedError(
                "the customer has paused the session", reason="paused", advice="Wait until they let it go on."
            )

    def active(self, now: Moment) -> tuple[Grant, ...]:
        """The grants that are good right now."""
        if self.state is State.ENDED:
            return ()
        return tuple(held.grant for held in self.held if not held.expired(now))

    def expired(self, now: Moment) -> tuple[Grant, ...]:
        """Held grants whose time is over and that `TimePassed` has not yet taken away."""
        return tuple(held.grant for held in self.held if held.expired(now))

    def seconds_left(self, now: Moment) -> float:
        """Seconds until the next grant expires on either clock; infinity when none is held."""
        return min((_left(held, now) for held in self.held), default=float("inf"))

    @property
    def ends(self) -> str:
        """The latest end of any held grant (RFC 3339 UTC), empty when none is held."""
        return max((held.grant.until for held in self.held), default="")

    def _missing(self, scope: str, key: str, *, expired: bool) -> RefusedError:
        reason = (
            "expired"
            if expired
            else next((why for what, who, why in reversed(self.lost) if (what, who) == (scope, key)), "")
        )
        if reason == "expired":
            return RefusedError(
                f"the customer's consent to {scope} has expired",
                reason="expired",
                advice=_ASK_AGAIN.format(scope=scope),
            )
        if reason == "revoked":
            return RefusedError(
                f"the customer has taken back {scope}", reason="revoked", advice=_ASK_AGAIN.format(scope=scope)
            )
        return RefusedError(
            f"the customer has not allowed {scope}", reason="out-of-scope", advice=_ASK_AGAIN.format(scope=scope)
        )


_ASK_AGAIN = "Ask the customer for it: `remote-assist request SESSION {scope}`."


def grants_of(
    asked: Sequence[str],
    allowed: Collection[str],
    *,
    seconds: int,
    limit: datetime,
    now: datetime,
    key: str,
    first_number: int = 1,
    folders: Sequence[str] = (),
) -> tuple[Grant, ...]:
    """The grants that follow from an answer: asked ∩ allowed, ending at the earlier of `now + seconds` and `limit`.

    `asked` and `allowed` are wishes (core/wishes.py). `key` is the fingerprint of whom it is for, `first_number`
    numbers the ids (`g1`, `g2`, …) within the session, `folders` narrows file scopes that name none themselves. Scopes
    nobody defined are never granted.
    """
    until = min(now + timedelta(seconds=seconds), limit)
    if until <= now:
        return ()
    return tuple(
        _grant_for(wish, Grant(id=f"g{number}", scope=scope_of(wish), until=format_time(until), key=key), folders)
        for number, wish in enumerate(common(asked, allowed), first_number)
    )


def wishes_of(grants: Iterable[Grant]) -> tuple[str, ...]:
    """What was granted, as wishes; a grant for several places is several."""
    return tuple(
        str(Wish(grant.scope, place)) for grant in grants for place in (*grant.folders, *(grant.places or ())) or ("",)
    )


def _grant_for(wish: str, grant: Grant, folders: Sequence[str]) -> Grant:
    """The grant narrowed as its wish says."""
    place = (place_of(wish),) if place_of(wish) else ()
    if grant.scope.startswith("files:"):
        return structs.replace(grant, folders=place or tuple(folders))
    return structs.replace(grant, places=place) if place else grant


def _grant(consent: Consent, event: Granted) -> Consent:
    if event.session != consent.session:
        raise RefusedError("this consent was given for another session", reason="other-session")
    used = set(consent.used)
    for grant in event.grants:
        if grant.id in used:
            raise RefusedError(f"consent {grant.id} was already used", reason="replayed")
        used.add(grant.id)
    held = tuple(_hold(grant, event.at) for grant in event.grants)
    return replace(consent, held=consent.held + held, used=frozenset(used))


def _hold(grant: Grant, at: Moment) -> Held:
    until = parse_time(grant.until)
    left = (until - at.utc).total_seconds()
    if left <= 0:
        raise RefusedError(f"consent {grant.id} ended at {grant.until}", reason="expired")
    if grant.scope not in SCOPES:
        raise RefusedError(f"there is no scope '{grant.scope}'", reason="out-of-scope")
    return Held(grant, until, at.boot_seconds + left)


def _revoke(consent: Consent, event: Revoked) -> Consent:
    return _lose(consent, lambda held: not event.grants or held.grant.id in event.grants, "revoked")


def _pass_time(consent: Consent, event: TimePassed) -> Consent:
    return _lose(consent, lambda held: held.expired(event.at), "expired")


def _end(consent: Consent, event: Ended) -> Consent:
    if consent.state is State.ENDED:
        return consent
    return replace(consent, held=(), end_reason=event.reason)


def _lose(consent: Consent, gone: Callable[[Held], bool], reason: str) -> Consent:
    lost = tuple((held.grant.scope, held.grant.key, reason) for held in consent.held if gone(held))
    if not lost:
        return consent
    return replace(consent, held=tuple(held for held in consent.held if not gone(held)), lost=consent.lost + lost)


def _keep(consent: Consent, _event: Event) -> Consent:
    return consent


_APPLY: dict[type[Event], Callable[[Consent, Event], Consent]] = {
    Granted: _grant,  # type: ignore[dict-item]  # the table's key is the event's type
    Paused: _keep,
    Resumed: _keep,
    Revoked: _revoke,  # type: ignore[dict-item]
    TimePassed: _pass_time,  # type: ignore[dict-item]
    Ended: _end,  # type: ignore[dict-item]
}


def _left(held: Held, now: Moment) -> float:
    by_utc = (held.until_utc - now.utc).total_seconds()
    return max(0.0, min(by_utc, held.until_boot_seconds - now.boot_seconds))


def _inside(path: bytes | None, folders: Sequence[str]) -> bool:
    if not folders:
        return True
    if path is None or not path.startswith(b"/"):
        return False
    parts = _parts(path)
    if b".." in parts:
        return False
    return any(parts[: len(inner)] == inner for inner in (_parts(folder.encode()) for folder in folders))


def _parts(path: bytes) -> list[bytes]:
    return [part for part in path.split(b"/") if part not in {b"", b"."}]
