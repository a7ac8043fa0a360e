"""What does not change while a session lasts, and the stable words for why it, or a part of it, ended."""

from dataclasses import dataclass, field

from remote_assist.agent.people import Technician
from remote_assist.core.agreements.sharing import Part
from remote_assist.core.identity.statement import VerifiedTechnician
from remote_assist.core.records import Actor
from remote_assist.core.signing.keys import PrivateKey, fingerprint
from remote_assist.settings import AgentSettings

CUSTOMER = Actor(kind="customer")

TRANSFERRED = "transferred"
"""Why what a technician ran was stopped when they left."""

REVOKED = "your certificate was revoked by your organisation"

PAUSED = "paused"
"""Why an action was stopped when the customer paused; the reason new ones are refused with."""

ENDED_BY_TECHNICIAN = "technician"
ENDED_BY_CUSTOMER = "customer"
ENDED_BY_TIME = "expired"
ENDED_BY_SIGNAL = "signal"
ENDED_BY_DISTRUST = "distrust"
ENDED_BY_RELAY = "relay"
ENDED_BY_FAILURE = "failed"
ENDED_BY_TICKET = "ticket-closed"
ENDED_BY_DISK = "disk-full"
ENDED_BY_REVOCATION = "revoked"
"""Stable words in the end record; texts.py has a sentence for each."""


@dataclass(frozen=True, slots=True)
class SessionFacts:
    """What does not change while a session lasts."""

    technician: VerifiedTechnician
    host_key: PrivateKey
    host_key_line: str
    host_name: str
    settings: AgentSettings
    resume_key: bytes = field(repr=False)
    asked: bool = False
    """The customer made the code (`ask`), so whoever says a technician's name is whom they told it."""

    @property
    def id(self) -> str:
        return self.technician.session

    @property
    def first(self) -> Technician:
        """The technician who paired."""
        certificate, line = self.technician.certificate, self.technician.statement.session_key
        return Technician(certificate, line, self.resume_key, Part.ACTIVE, certificate.valid_before)

    @property
    def agent(self) -> Actor:
        """The agent itself, as records name it."""
        return Actor(kind="agent", key=fingerprint(self.host_key_line))
