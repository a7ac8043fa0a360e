"""Standing consent: what the customer's administrator allows an enrolled machine to allow without asking. Pure.

    signed at the machine, by the consent key made at enrolment: wishes, for whom, in which windows, until when

Rule 1: it only answers questions; what is granted is what was asked ∩ what stands here, until the earliest end.
Rule 2: it is revoked by a higher number without wishes; an agent takes no lower number than it holds.
Windows are UTC: `always`, or `mon-fri 22:00-06:00` (over midnight it belongs to the day it begins).
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from remote_assist.core import codec
from remote_assist.core.messages import PROTOCOL_VERSION, Message
from remote_assist.core.records import format_time, parse_time
from remote_assist.core.signing import sshsig
from remote_assist.core.signing.keys import PrivateKey
from remote_assist.core.wishes import common, parse_wishes
from remote_assist.errors import AssistError, ConsentDenied, ContentError, VerificationError

MAX_BYTES = 16 << 10
MAX_LIFE = timedelta(days=366)
"""Longest standing consent: a year, then the administrator says it again."""

ALWAYS = "always"
ANYBODY = "any technician"
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_WINDOW = re.compile(r"(?:([a-z]{3})(?:-([a-z]{3}))? )?([0-2]\d):([0-5]\d)-([0-2]\d):([0-5]\d)")


class StandingConsent(Message, frozen=True, tag="standing-consent"):
    """What is signed. `people`: names in certificates; empty: any technician of the organisation."""

    version: int
    number: int
    machine: str
    wishes: tuple[str, ...]
    people: tuple[str, ...]
    windows: tuple[str, ...]
    until: str
    signed: str


class SignedConsent(Message, frozen=True, tag="signed-consent"):
    """Its exact bytes and the consent key's signature (SSHSIG `standing`)."""

    consent: bytes
    signature: str


@dataclass(frozen=True, slots=True)
class Window:
    """Days on which it begins (0 is Monday), minutes of the day it begins and ends at; UTC."""

    days: frozenset[int]
    begins: int
    ends: int

    def left(self, now: datetime) -> float:
        """Seconds until the window that is open now closes; 0 when none is."""
        length = (self.ends - self.begins) % 1440 or 1440
        for back in (0, 1):
            day = (now - timedelta(days=back)).replace(hour=0, minute=0, second=0, microsecond=0)
            opens = day + timedelta(minutes=self.begins)
            closes = opens + timedelta(minutes=length)
            if day.weekday() in self.days and opens <= now < closes:
                return (closes - now).total_seconds()
        return 0.0


def parse_window(text: str) -> Window:
    """A window as it is written. Raises ContentError."""
    if text == ALWAYS:
        return Window(frozenset(range(7)), 0, 0)
    found = _WINDOW.fullmatch(text)
    if found is None or int(found[3]) > 23 or int(found[5]) > 23:
        raise ContentError(f"'{text[:60]}' is no window", advice="For example 'mon-fri 22:00-06:00' (UTC), or always.")
    first, last = found[1] or "mon", found[2] or found[1] or "sun"
    if first not in DAYS or last not in DAYS:
        raise ContentError(f"'{text[:60]}' names no days", advice=f"Days are {', '.join(DAYS)}.")
    start, count = DAYS.index(first), (DAYS.index(last) - DAYS.index(first)) % 7 + 1
    days = frozenset((start + step) % 7 for step in range(count))
    return Window(days, int(found[3]) * 60 + int(found[4]), int(found[5]) * 60 + int(found[6]))


def sign_consent(key: PrivateKey, consent: StandingConsent) -> SignedConsent:
    """The administrator's word. Raises ContentError for one that could not be kept."""
    check_consent(consent)
    raw = codec.encode(consent, max_bytes=MAX_BYTES)
    return SignedConsent(consent=raw, signature=sshsig.sign(key, "standing", raw))


def open_consent(signed: SignedConsent, *, consent_key: str, machine: str) -> StandingConsent:
    """What stands, if the consent key of this machine signed it. Raises VerificationError."""
    try:
        sshsig.verify(signed.signature, consent_key, "standing", signed.consent)
        consent = codec.decode(signed.consent, StandingConsent, max_bytes=MAX_BYTES)
        check_consent(consent)
    except AssistError as error:
        raise VerificationError(f"the standing consent does not hold: {error.message}", where="standing") from error
    if consent.machine != machine:
        raise VerificationError("the standing consent is another machine's", where="standing")
    return consent


def check_consent(consent: StandingConsent) -> None:
    """Raise ContentError for what nobody can sign."""
    if consent.version != PROTOCOL_VERSION or consent.number < 1:
        raise ContentError("the standing consent is of another version")
    if consent.wishes and parse_wishes(",".join(consent.wishes)) != consent.wishes:
        raise ContentError("its wishes are not written as they should be")
    for window in consent.windows:
        parse_window(window)
    if parse_time(consent.until) - parse_time(consent.signed) > MAX_LIFE:
        raise ContentError("a standing consent lasts at most 366 days", advice="Name an earlier --until.")


def revoked(consent: StandingConsent, now: datetime) -> StandingConsent:
    """The consent that takes another one back."""
    return StandingConsent(
        version=PROTOCOL_VERSION,
        number=consent.number + 1,
        machine=consent.machine,
        wishes=(),
        people=(),
        windows=(),
        until=format_time(now),
        signed=format_time(now),
    )


def allowed(
    consent: StandingConsent | None, *, name: str, asked: tuple[str, ...], seconds: int, now: datetime
) -> tuple[tuple[str, ...], int]:
    """Wishes granted and for how many seconds. Raises ConsentDenied with what stands in the way."""
    if consent is None or not consent.wishes:
        raise _denied("no standing consent is in force on this machine")
    if consent.people and name not in consent.people:
        raise _denied("the standing consent is for other people")
    left = min((parse_time(consent.until) - now).total_seconds(), max(_open_for(consent, now), 0.0))
    if left < 1:
        over = parse_time(consent.until) <= now
        raise _denied("the standing consent has expired" if over else "this is outside the windows it allows")
    wishes = common(asked, consent.wishes)
    if not wishes:
        raise _denied("the standing consent allows nothing of what was asked for")
    return wishes, min(seconds, int(left))


def in_words(consent: StandingConsent) -> list[str]:
    """The consent as people read it."""
    if not consent.wishes:
        return [f"number {consent.number}: nothing is allowed"]
    return [
        f"number {consent.number}: {', '.join(consent.wishes)}",
        f"for     {', '.join(consent.people) or ANYBODY}",
        f"when    {'; '.join(consent.windows)} (UTC)",
        f"until   {consent.until[:16].replace('T', ' ')} UTC",
    ]


def _open_for(consent: StandingConsent, now: datetime) -> float:
    if ALWAYS in consent.windows:
        return MAX_LIFE.total_seconds()
    return max((parse_window(window).left(now.astimezone(UTC)) for window in consent.windows), default=0.0)


def _denied(sentence: str) -> ConsentDenied:
    return ConsentDenied(sentence, reason="no-standing-consent", advice="Ask the customer's administrator.")
