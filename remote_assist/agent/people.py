"""Who takes part in the session: each technician with their key and part, and who is expected.

Rule 1: a technician is known by the session key SSH authenticated, and by nothing else. Rule 2: an observer acts
through no door. Rule 3: whoever is expected was let in by the customer; they are in once they proved who they are.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime

from remote_assist.agent.keeper import Keeper
from remote_assist.core.agreements.sharing import Invitation, Part
from remote_assist.core.consent import wishes_of
from remote_assist.core.identity.certificates import Certificate
from remote_assist.core.messages import Grant
from remote_assist.core.records import Actor, format_time
from remote_assist.core.requests import Participant
from remote_assist.core.signing.keys import fingerprint
from remote_assist.errors import RefusedError

MAX_TECHNICIANS = 4
"""Technicians of one session at once, those that are expected included."""


@dataclass(frozen=True, slots=True)
class Technician:
    """One who is in. `session_key` is a public line; `until` is when their part ends at the latest."""

    certificate: Certificate
    session_key: str
    resume_key: bytes = field(repr=False)
    part: Part
    until: datetime

    @property
    def key(self) -> str:
        """Whom grants are for: the fingerprint of the session key."""
        return fingerprint(self.session_key)

    @property
    def actor(self) -> Actor:
        """As records name them: by the certified key."""
        return Actor(kind="technician", key=self.certificate.key_fingerprint, serial=self.certificate.serial)


@dataclass(frozen=True, slots=True)
class Expected:
    """One the customer let in, for these wishes, who has not come yet. `inviter`: session key (line) of who asked."""

    invitation: Invitation
    inviter: str
    scopes: tuple[str, ...]
    until: datetime


class People:
    """The technicians of one session."""

    def __init__(self, first: Technician, keeper: Keeper) -> None:
        self._keeper = keeper
        self.technicians: dict[str, Technician] = {first.session_key: first}
        self._expected: dict[str, Expected] = {}
        self._gone: dict[str, RefusedError] = {}

    def find(self, session_key: str) -> Technician | None:
        """Who logged in with this key (a public line)."""
        return self.technicians.get(session_key)

    def technician(self, session_key: str) -> Technician:
        """Who logged in with this key. Raises RefusedError for one who has proved nothing yet."""
        found = self.technicians.get(session_key)
        if found is None:
            raise RefusedError(
                "a second technician proves who they are before anything else",
                reason="not-attached",
                advice="Run remote-assist attach SESSION first.",
            )
        return found

    def by_key(self, key: str) -> Technician | None:
        """Whom grants with this key (a fingerprint) are for."""
        return next((one for one in self.technicians.values() if one.key == key), None)

    def check_acting(self, key: str) -> None:
        """Raise RefusedError when the technician of this key (a fingerprint) only watches, or left."""
        if key in self._gone:
            raise self._gone[key]
        one = self.by_key(key)
        if one is not None and one.part is Part.OBSERVER:
            raise RefusedError(
                "you watch this session and can do nothing in it",
                reason="observer",
                advice="The technician who shared it can share it again, to act.",
            )

    # --- coming and going -------------------------------------------------------------------------

    def expects_somebody(self, now: datetime) -> bool:
        """Whether a key that is not known may come and prove whose it is."""
        return any(now < one.invitation.expires for one in self._expected.values())

    def holder(self, certificate: Certificate) -> Technician | None:
        """The technician with the key of this certificate."""
        key = certificate.key_fingerprint
        return next((one for one in self.technicians.values() if one.certificate.key_fingerprint == key), None)

    def check_room(self, invitation: Invitation) -> None:
        """Raise RefusedError when there are too many technicians, or this one is in already."""
        here = self.technicians.values()
        known = self.holder(invitation.certificate)
        if known is not None and known.part is not Part.OBSERVER:
            raise RefusedError("this technician takes part in the session already", reason="there")
        if len(here) + len(self._expected) >= MAX_TECHNICIANS:
            raise RefusedError(f"a session has at most {MAX_TECHNICIANS} technicians", reason="busy")

    def expect(self, expected: Expected) -> None:
        """The customer said yes."""
        self._expected[expected.invitation.digest] = expected

    def take_expected(self, digest: str, now: datetime) -> Expected:
        """The invitation of this digest, once. Raises RefusedError when there is none any more."""
        expected = self._expected.pop(digest, None)
        if expected is None or now >= expected.invitation.expires:
            raise RefusedError(
                "there is no such invitation here, or it has expired",
                reason="expired",
                advice="Ask the first technician to share the session again.",
            )
        if expected.inviter not in self.technicians:
            raise RefusedError("whoever invited you is not in the session any more", reason="expired")
        return expected

    def join(self, technician: Technician) -> None:
        """One is in."""
        self.technicians[technician.session_key] = technician

    def leave(self, session_key: str, why: RefusedError) -> None:
        """One is out, and is told `why`; their key opens nothing any more."""
        gone = self.technicians.pop(session_key, None)
        if gone is not None:
            self._gone[gone.key] = why

    def forget_expected(self, serials: Collection[int]) -> None:
        """Nobody is waited for whose certificate is one of these."""
        self._expected = {
            digest: one for digest, one in self._expected.items() if one.invitation.certificate.serial not in serials
        }

    def with_serials(self, serials: Collection[int]) -> list[Technician]:
        """Who is in by a certificate of these serials."""
        return [one for one in self.technicians.values() if one.certificate.serial in serials]

    def overdue(self, now: datetime) -> list[Technician]:
        """Whose part is over by now."""
        return [one for one in self.technicians.values() if now >= one.until]

    # --- what each has ----------------------------------------------------------------------------

    def grants_of(self, key: str) -> tuple[Grant, ...]:
        """What the technician of this key is allowed now."""
        return tuple(grant for grant in self._keeper.grants if grant.key == key)

    def wishes_of(self, key: str) -> tuple[str, ...]:
        """The same, as it would be asked for."""
        return wishes_of(self.grants_of(key))

    def name_of(self, key: str) -> str:
        """The certified name of the technician of this key; hostile until `safe_text`."""
        person = self.by_key(key)
        return "" if person is None else person.certificate.name

    def ends_for(self, key: str) -> str:
        """When the part of the technician of this key ends at the latest (RFC 3339 UTC)."""
        person = self.by_key(key)
        until = "" if person is None else format_time(person.until)
        return max((grant.until for grant in self.grants_of(key)), default=until)

    def participants(self) -> tuple[Participant, ...]:
        """Everybody who takes part, once there are several."""
        here = self.technicians.values()
        if len(here) < 2:
            return ()
        return tuple(
            Participant(name=one.certificate.name, part=one.part.value, until=self.ends_for(one.key)) for one in here
        )
