"""What an enrolled machine holds: its two keys, the enrolment a technician signed, the consent that stands.

    HOME/                     0700, every file 0600
      enrolment_key           proves the machine at each call
      consent_key             the administrator's: signs what stands
      enrolment.json          as the technician signed it
      standing.json           the newest standing consent, signed; a revocation is one without wishes

Rule: the keys are made here and never leave; a consent whose number is lower than the one held is not taken.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TypeVar

import msgspec

from remote_assist.core.agreements.enrolment import Enrolment, Machine, check_enrolment, is_machine_name, prove_machine
from remote_assist.core.agreements.standing import SignedConsent, StandingConsent, open_consent, revoked, sign_consent
from remote_assist.core.messages import PROTOCOL_VERSION, EnrolmentProof, EnrolmentWish, SignedEnrolment
from remote_assist.core.records import format_time
from remote_assist.core.signing.keys import PrivateKey, load_private, new_key, private_bytes, public_line
from remote_assist.errors import ContentError, UsageError
from remote_assist.transport.private_files import make_private_folder, read_private, write_private

MAX_BYTES = 64 << 10
NOT_ENROLLED = "this machine is not enrolled"
HOW_TO_ENROL = "Run `remote-assist enroll` with a code from `remote-assist invite --enroll`."

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class EnrolledHome:
    """The enrolment's part of the agent's state folder."""

    path: Path

    def wish(self, name: str, entropy: Callable[[int], bytes]) -> EnrolmentWish:
        """What this machine asks for, with its keys, made now if they are not there. Raises UsageError for a name."""
        if not is_machine_name(name):
            raise UsageError(f"'{name[:60]}' is no machine's name", advice="Small letters, digits, dots and hyphens.")
        make_private_folder(self.path)
        keys = [self._key(file, entropy) for file in ("enrolment_key", "consent_key")]
        return EnrolmentWish(name=name, enrolment_key=public_line(keys[0]), consent_key=public_line(keys[1]))

    def keep(self, signed: SignedEnrolment) -> None:
        """Store a checked enrolment."""
        write_private(self.path / "enrolment.json", msgspec.json.encode(signed))

    def signed(self) -> SignedEnrolment:
        """The enrolment. Raises UsageError where there is none."""
        found = self._read("enrolment.json", SignedEnrolment)
        if found is None:
            raise UsageError(NOT_ENROLLED, advice=HOW_TO_ENROL)
        return found

    def machine(self) -> Machine:
        """Who this machine is. Raises UsageError, VerificationError."""
        signed = self.signed()
        enrolment = msgspec.json.decode(signed.enrolment, type=Enrolment)
        return check_enrolment(signed, ca_line=enrolment.organisation_ca)

    def prove(self, offer: bytes, host_key: str) -> EnrolmentProof:
        """The proof for one pairing."""
        return prove_machine(self.enrolment_key(), self.signed(), offer, host_key)

    def enrolment_key(self) -> PrivateKey:
        """The key that proves this machine. Raises UsageError."""
        return self._stored_key("enrolment_key")

    def standing(self) -> StandingConsent | None:
        """What stands, verified; None when nothing was ever said. Raises VerificationError."""
        signed = self.signed_standing()
        if signed is None:
            return None
        machine = self.machine()
        return open_consent(signed, consent_key=machine.enrolment.consent_key, machine=machine.id)

    def signed_standing(self) -> SignedConsent | None:
        """The same as signed."""
        return self._read("standing.json", SignedConsent)

    def allow(
        self, wishes: tuple[str, ...], people: tuple[str, ...], windows: tuple[str, ...], until: datetime, now: datetime
    ) -> StandingConsent:
        """Sign what stands from now on, in place of what stood."""
        machine, before = self.machine(), self.standing()
        consent = StandingConsent(
            version=PROTOCOL_VERSION,
            number=1 if before is None else before.number + 1,
            machine=machine.id,
            wishes=wishes,
            people=people,
            windows=windows,
            until=format_time(until),
            signed=format_time(now),
        )
        return self._sign(consent)

    def revoke(self, now: datetime) -> StandingConsent:
        """Take back what stands. Raises UsageError when nothing does."""
        before = self.standing()
        if before is None or not before.wishes:
            raise UsageError("nothing stands that could be taken back")
        return self._sign(revoked(before, now))

    def _sign(self, consent: StandingConsent) -> StandingConsent:
        signed = sign_consent(self._stored_key("consent_key"), consent)
        write_private(self.path / "standing.json", msgspec.json.encode(signed))
        return consent

    def _key(self, file: str, entropy: Callable[[int], bytes]) -> PrivateKey:
        try:
            return self._stored_key(file)
        except UsageError:
            key = new_key(entropy(32))
            write_private(self.path / file, private_bytes(key))
            return key

    def _stored_key(self, file: str) -> PrivateKey:
        try:
            return load_private(read_private(self.path / file, MAX_BYTES))
        except FileNotFoundError as error:
            raise UsageError(NOT_ENROLLED, advice=HOW_TO_ENROL) from error

    def _read(self, name: str, kind: type[T]) -> T | None:
        try:
            return msgspec.json.decode(read_private(self.path / name, MAX_BYTES), type=kind)
        except FileNotFoundError:
            return None
        except msgspec.DecodeError as error:
            raise ContentError(f"{self.path / name} is damaged: {error}", advice=HOW_TO_ENROL) from error
