"""Standing consents: windows, who, until; signed by one key, taken back by a higher number."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from remote_assist.core.agreements.standing import (
    ALWAYS,
    StandingConsent,
    allowed,
    in_words,
    open_consent,
    parse_window,
    revoked,
    sign_consent,
)
from remote_assist.core.records import format_time
from remote_assist.core.signing.keys import new_key, public_line
from remote_assist.errors import ConsentDenied, ContentError, VerificationError

KEY = new_key(bytes(range(32)))
MACHINE = "m-aaaaaaaaaaaaaaaa"
MONDAY = datetime(2026, 11, 23, 23, 30, tzinfo=UTC)


def consent(**changes: object) -> StandingConsent:
    whole = StandingConsent(
        version=1,
        number=4,
        machine=MACHINE,
        wishes=("diagnose", "files:read=/var/log"),
        people=("Alice Example",),
        windows=("mon-fri 22:00-06:00",),
        until=format_time(MONDAY + timedelta(days=30)),
        signed=format_time(MONDAY),
    )
    return msgspec.structs.replace(whole, **changes)


@pytest.mark.parametrize(
    ("window", "hours", "left"),
    [
        ("mon-fri 22:00-06:00", 0, 6.5),
        ("mon-fri 22:00-06:00", 6, 0.5),
        ("mon-fri 22:00-06:00", 7, 0),
        ("mon-fri 22:00-06:00", 5 * 24, 0),
        ("fri-mon 23:00-23:45", 0, 0.25),
        ("tue 00:00-12:00", 1, 11.5),
        ("23:30-23:30", 0, 24),
        (ALWAYS, 3, 21.5 - 0.0),
    ],
)
def test_a_window_says_how_long_it_stays_open(window: str, hours: float, left: float) -> None:
    assert parse_window(window).left(MONDAY + timedelta(hours=hours)) == left * 3600


@pytest.mark.parametrize(
    "text", ["nights", "mon-fri", "mon 24:00-06:00", "mon 22:00-25:00", "xyz 22:00-23:00", "mon-xyz 1"]
)
def test_what_is_no_window_is_refused(text: str) -> None:
    with pytest.raises(ContentError):
        parse_window(text)


def test_what_was_asked_and_stands_is_granted_until_the_earliest_end() -> None:
    asked = ("diagnose", "terminal", "files:read=/var/log/nginx")
    granted = allowed(consent(), name="Alice Example", asked=asked, seconds=600, now=MONDAY)
    assert granted == (("diagnose", "files:read=/var/log/nginx"), 600)
    assert allowed(consent(), name="Alice Example", asked=asked, seconds=10**6, now=MONDAY)[1] == 6.5 * 3600
    short = consent(windows=(ALWAYS,), people=(), until=format_time(MONDAY + timedelta(seconds=30)))
    assert allowed(short, name="anybody", asked=asked, seconds=600, now=MONDAY)[1] == 30


@pytest.mark.parametrize(
    ("changes", "name", "why"),
    [
        ({"wishes": ()}, "Alice Example", "no standing consent"),
        ({}, "Mallory Example", "other people"),
        ({"windows": ("sat 10:00-11:00",)}, "Alice Example", "outside the windows"),
        ({"windows": ()}, "Alice Example", "outside the windows"),
        ({"until": format_time(MONDAY)}, "Alice Example", "expired"),
        ({"wishes": ("fix",)}, "Alice Example", "nothing of what"),
    ],
)
def test_everything_else_is_a_no_that_says_why(changes: dict[str, object], name: str, why: str) -> None:
    with pytest.raises(ConsentDenied, match=why):
        allowed(consent(**changes), name=name, asked=("diagnose",), seconds=60, now=MONDAY)
    with pytest.raises(ConsentDenied, match="no standing consent"):
        allowed(None, name=name, asked=("diagnose",), seconds=60, now=MONDAY)


def test_only_the_consent_key_of_this_machine_signs_what_stands() -> None:
    signed = sign_consent(KEY, consent())
    line = public_line(KEY)
    assert open_consent(signed, consent_key=line, machine=MACHINE) == consent()
    for key, machine in ((public_line(new_key(bytes(32))), MACHINE), (line, "m-bbbbbbbbbbbbbbbb")):
        with pytest.raises(VerificationError):
            open_consent(signed, consent_key=key, machine=machine)


def test_taking_back_is_a_higher_number_that_allows_nothing() -> None:
    taken = revoked(consent(), MONDAY)
    assert (taken.number, taken.wishes) == (5, ())
    sign_consent(KEY, taken)
    assert in_words(taken) == ["number 5: nothing is allowed"]
    assert in_words(consent(people=()))[1] == "for     any technician"


@pytest.mark.parametrize(
    "changes",
    [
        {"number": 0},
        {"version": 2},
        {"wishes": ("soul",)},
        {"wishes": ("diagnose", "diagnose")},
        {"windows": ("nights",)},
        {"until": format_time(MONDAY + timedelta(days=400))},
    ],
)
def test_what_nobody_can_sign_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ContentError):
        sign_consent(KEY, consent(**changes))
