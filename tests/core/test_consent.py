"""Consent as a table: every pair of state and event, both clocks, folders, and why something is refused."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remote_assist.core.consent import (
    NEXT,
    Consent,
    Ended,
    Event,
    Granted,
    Moment,
    Paused,
    Resumed,
    Revoked,
    State,
    TimePassed,
    grants_of,
)
from remote_assist.core.messages import Grant
from remote_assist.core.records import format_time
from remote_assist.core.wishes import SCOPES
from remote_assist.errors import LocalProtocolError, RefusedError

SESSION = "s-abcdefghijklmnop"
ALICE, MALLORY = "SHA256:alice", "SHA256:mallory"
NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
START = Moment(NOON, 1000.0)


def later(seconds: float, *, utc_seconds: float | None = None) -> Moment:
    """A moment on both clocks; `utc_seconds` when people set the wall clock differently."""
    return Moment(NOON + timedelta(seconds=seconds if utc_seconds is None else utc_seconds), 1000.0 + seconds)


def grant(
    scope: str = "diagnose", *, id: str = "g1", seconds: float = 1800, key: str = ALICE, folders: tuple[str, ...] = ()
) -> Grant:
    return Grant(id=id, scope=scope, until=format_time(NOON + timedelta(seconds=seconds)), key=key, folders=folders)


def granted(*grants: Grant, session: str = SESSION) -> Granted:
    return Granted(session, grants or (grant(),), START)


EVENTS: dict[type[Event], Event] = {
    Granted: granted(),
    Paused: Paused(),
    Resumed: Resumed(),
    Revoked: Revoked(),
    TimePassed: TimePassed(later(1)),
    Ended: Ended("customer"),
}
STATES: dict[State, Consent] = {
    State.OPEN: Consent(SESSION),
    State.PAUSED: Consent(SESSION).after(Paused()),
    State.ENDED: Consent(SESSION).after(Ended("customer")),
}


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("event", EVENTS.values(), ids=lambda event: type(event).__name__)
def test_every_state_and_event_is_in_the_table_or_raises(state: State, event: Event) -> None:
    expected = NEXT[state].get(type(event))
    if expected is None:
        with pytest.raises(LocalProtocolError, match=str(state)):
            STATES[state].after(event)
    else:
        assert STATES[state].after(event).state is expected


def test_whatever_narrows_is_possible_in_every_state() -> None:
    assert all({Revoked, TimePassed, Ended} <= set(events) for events in NEXT.values())


def test_what_was_granted_is_allowed_and_nothing_else() -> None:
    consent = Consent(SESSION).after(granted(grant("diagnose")))
    assert consent.check("diagnose", key=ALICE, now=START).id == "g1"
    for scope in set(SCOPES) - {"diagnose"}:
        assert _refusal(consent, scope).reason == "out-of-scope"


def test_a_grant_is_for_the_key_it_names() -> None:
    consent = Consent(SESSION).after(granted())
    assert _refusal(consent, "diagnose", key=MALLORY).reason == "out-of-scope"


@pytest.mark.parametrize(
    ("now", "allowed"),
    [
        (later(1799), True),
        (later(1800), False),
        (later(10, utc_seconds=1800), False),
        (later(1800, utc_seconds=-3600), False),
        (later(1799, utc_seconds=-3600), True),
        (later(5000, utc_seconds=10), False),
    ],
    ids=["before", "at the end", "wall clock forward", "wall clock back", "back, but not over", "suspended"],
)
def test_a_grant_ends_at_whichever_clock_comes_first(now: Moment, allowed: bool) -> None:
    consent = Consent(SESSION).after(granted())
    assert bool(consent.active(now)) is allowed
    if allowed:
        consent.check("diagnose", key=ALICE, now=now)
    else:
        assert _refusal(consent, "diagnose", now=now).reason == "expired"


def test_an_expired_grant_does_not_come_back_when_the_clock_is_turned_back() -> None:
    consent = Consent(SESSION).after(granted()).after(TimePassed(later(10, utc_seconds=1801)))
    assert consent.held == ()
    assert _refusal(consent, "diagnose", now=START).reason == "expired"


@given(jumps=st.lists(st.floats(-1e6, 1e6), max_size=20), elapsed=st.floats(1800, 1e6))
def test_no_turning_of_the_wall_clock_extends_a_grant(jumps: list[float], elapsed: float) -> None:
    consent = Consent(SESSION).after(granted())
    for number, jump in enumerate(jumps):
        consent = consent.after(TimePassed(later(number, utc_seconds=jump)))
    with pytest.raises(RefusedError):
        consent.check("diagnose", key=ALICE, now=later(elapsed, utc_seconds=-1e6))


def test_a_paused_consent_refuses_and_goes_on_after() -> None:
    paused = Consent(SESSION).after(granted()).after(Paused())
    assert _refusal(paused, "diagnose").reason == "paused"
    assert paused.after(Resumed()).check("diagnose", key=ALICE, now=START)


def test_a_paused_consent_expires_all_the_same() -> None:
    consent = Consent(SESSION).after(granted()).after(Paused()).after(TimePassed(later(1800))).after(Resumed())
    assert _refusal(consent, "diagnose").reason == "expired"


def test_one_grant_can_be_revoked_and_the_others_stay() -> None:
    consent = Consent(SESSION).after(granted(grant("diagnose"), grant("fix", id="g2"))).after(Revoked(("g2",)))
    assert consent.check("diagnose", key=ALICE, now=START)
    assert _refusal(consent, "fix").reason == "revoked"


def test_a_revoked_consent_stays_revoked() -> None:
    consent = Consent(SESSION).after(granted()).after(Revoked())
    for event in (Paused(), Resumed(), TimePassed(START), Revoked()):
        consent = consent.after(event)
    assert _refusal(consent, "diagnose").reason == "revoked"


def test_an_ended_consent_stays_ended_and_takes_no_grant() -> None:
    ended = Consent(SESSION).after(granted()).after(Ended("customer")).after(Ended("technician"))
    assert ended.end_reason == "customer"
    assert ended.active(START) == ()
    assert _refusal(ended, "diagnose").reason == "ended"
    with pytest.raises(LocalProtocolError):
        ended.after(granted())


def test_a_grant_of_another_session_is_refused() -> None:
    with pytest.raises(RefusedError) as refused:
        Consent(SESSION).after(granted(session="s-ponmlkjihgfedcba"))
    assert refused.value.reason == "other-session"


def test_a_grant_whose_time_is_over_is_refused() -> None:
    with pytest.raises(RefusedError) as refused:
        Consent(SESSION).after(granted(grant(seconds=0)))
    assert refused.value.reason == "expired"


def test_a_grant_cannot_be_used_twice() -> None:
    consent = Consent(SESSION).after(granted())
    with pytest.raises(RefusedError) as refused:
        consent.after(granted())
    assert refused.value.reason == "replayed"


@pytest.mark.parametrize("loss", [Revoked(), TimePassed(later(1800))], ids=["revoked", "expired"])
def test_a_grant_that_was_lost_cannot_be_used_again(loss: Event) -> None:
    consent = Consent(SESSION).after(granted()).after(loss)
    with pytest.raises(RefusedError) as refused:
        consent.after(granted())
    assert refused.value.reason == "replayed"


def test_a_grant_of_a_scope_nobody_defined_is_refused() -> None:
    with pytest.raises(RefusedError, match="no scope"):
        Consent(SESSION).after(granted(grant("root")))


@pytest.mark.parametrize(
    ("path", "inside"),
    [
        (b"/var/log/nginx/error.log", True),
        (b"/var/log/", True),
        (b"/var//log/./x", True),
        (b"/srv/x", True),
        (b"/var/logs/x", False),
        (b"/var/log/../../etc/shadow", False),
        (b"var/log/x", False),
        (b"/", False),
        (None, False),
    ],
)
def test_a_grant_for_folders_holds_inside_them_only(path: bytes | None, inside: bool) -> None:
    consent = Consent(SESSION).after(granted(grant("files:read", folders=("/var/log", "/srv/"))))
    if inside:
        assert consent.check("files:read", key=ALICE, now=START, path=path)
    else:
        with pytest.raises(RefusedError) as refused:
            consent.check("files:read", key=ALICE, now=START, path=path)
        assert refused.value.reason == "outside-folders"


def test_a_second_wider_grant_allows_what_the_first_does_not() -> None:
    narrow = grant("files:read", folders=("/srv",))
    consent = Consent(SESSION).after(granted(narrow, grant("files:read", id="g2")))
    assert consent.check("files:read", key=ALICE, now=START, path=b"/etc/hosts").id == "g2"


def test_grants_are_what_was_asked_and_allowed_until_the_earlier_end() -> None:
    grants = grants_of(
        ["terminal", "diagnose", "files:read"],
        {"diagnose", "files:read", "fix", "root"},
        seconds=3600,
        limit=NOON + timedelta(minutes=10),
        now=NOON,
        key=ALICE,
        first_number=4,
        folders=["/srv"],
    )
    assert [(one.id, one.scope, one.folders) for one in grants] == [
        ("g4", "diagnose", ()),
        ("g5", "files:read", ("/srv",)),
    ]
    assert {one.until for one in grants} == {"2026-03-01T12:10:00.000000Z"}
    assert {one.key for one in grants} == {ALICE}


def test_no_grant_comes_of_a_time_that_is_over() -> None:
    assert grants_of(["fix"], {"fix"}, seconds=60, limit=NOON, now=NOON, key=ALICE) == ()


def test_seconds_left_follow_the_clock_that_ends_first() -> None:
    consent = Consent(SESSION).after(granted(grant(seconds=100), grant("fix", id="g2", seconds=200)))
    assert consent.seconds_left(START) == 100
    assert consent.seconds_left(later(10, utc_seconds=95)) == 5
    assert consent.seconds_left(later(300)) == 0
    assert Consent(SESSION).seconds_left(START) == float("inf")
    assert consent.ends == format_time(NOON + timedelta(seconds=200))


def test_what_expired_is_told_once() -> None:
    consent = Consent(SESSION).after(granted(grant(seconds=100), grant("fix", id="g2", seconds=200)))
    now = later(150)
    assert [one.scope for one in consent.expired(now)] == ["diagnose"]
    assert consent.after(TimePassed(now)).expired(now) == ()


def test_a_consent_is_a_value() -> None:
    consent = Consent(SESSION)
    consent.after(granted())
    assert consent == Consent(SESSION)
    assert replace(consent, end_reason="x") != consent


def _refusal(consent: Consent, scope: str, *, key: str = ALICE, now: Moment = START) -> RefusedError:
    with pytest.raises(RefusedError) as refused:
        consent.check(scope, key=key, now=now)
    assert refused.value.advice
    return refused.value


def test_a_grant_for_a_place_allows_no_other() -> None:
    allowed = grants_of(
        ("forward=db.example.com:5432", "files:read=/var/log", "fix"),
        ("forward=db.example.com:5432", "files:read", "fix"),
        seconds=60,
        limit=NOON + timedelta(days=1),
        now=NOON,
        key=ALICE,
    )
    consent = Consent(SESSION).after(granted(*allowed))
    assert [grant.folders for grant in allowed] == [("/var/log",), (), ()]
    assert consent.check("forward", key=ALICE, now=START, place="db.example.com:5432").id == "g3"
    for place in ("db.example.com:22", "", "localhost:5432"):
        with pytest.raises(RefusedError, match=r"only to db\.example\.com:5432") as refused:
            consent.check("forward", key=ALICE, now=START, place=place)
        assert refused.value.reason == "other-place"
