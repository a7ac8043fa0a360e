"""What a technician chose on a form: the screen answers with it, a job does it."""

from dataclasses import dataclass
from pathlib import Path

from remote_assist.core.agreements.sharing import Part


@dataclass(frozen=True, slots=True)
class Colleague:
    """The holder of a certificate, what they become, and for how many seconds."""

    certificate: Path
    part: Part
    seconds: int
