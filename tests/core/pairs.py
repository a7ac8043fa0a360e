"""A pairing on one desk: both ends, their organisation, and what each would say. Fixed seeds, fixed clock."""

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from remote_assist.core.codes import SupportCode, parse_code
from remote_assist.core.identity.certificates import issue_certificate
from remote_assist.core.identity.lists import (
    AnyList,
    OrganisationList,
    PacksList,
    ReviewerKey,
    ReviewersList,
    RevocationsList,
    sign_list,
)
from remote_assist.core.identity.statement import sign_statement
from remote_assist.core.messages import AgentStatement, SignedStatement, TechnicianEnvelope
from remote_assist.core.pairing import AgentPairing, TechnicianPairing
from remote_assist.core.signing import keys
from remote_assist.core.signing.keys import PrivateKey

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
ISSUED = "2026-03-01T11:00:00Z"
EXPIRES = "2027-03-01T11:00:00Z"
RELAY = "https://relay.example.com:443"
CODE = parse_code("417203-tulip-rocket-amber")

CA = keys.new_key(b"\x01" * 32)
CA_LINE = keys.public_line(CA)
OTHER_CA = keys.new_key(b"\x02" * 32)
LOG = keys.new_key(b"\x03" * 32)
ALICE = keys.new_key(b"\x04" * 32)
ALICE_LINE = keys.public_line(ALICE)
SESSION_KEY = keys.public_line(keys.new_key(b"\x05" * 32))
HOST_KEY = keys.public_line(keys.new_key(b"\x06" * 32))


def dice(seed: bytes) -> Callable[[int], bytes]:
    """A source of bytes that repeats itself from `seed`."""
    counter = iter(range(1 << 30))

    def draw(count: int) -> bytes:
        return hashlib.shake_256(seed + next(counter).to_bytes(4, "big")).digest(count)

    return draw


def technician(code: SupportCode = CODE) -> TechnicianPairing:
    return TechnicianPairing(code, nonce=b"T" * 32, entropy=dice(b"technician"))


def agent(code: SupportCode = CODE) -> AgentPairing:
    return AgentPairing(code, nonce=b"A" * 32, entropy=dice(b"agent"))


def agent_statement(host_key: str = HOST_KEY) -> AgentStatement:
    return AgentStatement(
        host_key=host_key, agent_version="0.1.0", platform="linux", host_name="web1.example.com", checkpoint=""
    )


def list_bodies(number: int = 1, serials: tuple[int, ...] = ()) -> list[AnyList]:
    return [
        OrganisationList(number=number, name="Example Support", log_keys=(keys.public_line(LOG),), issued=ISSUED),
        ReviewersList(
            number=number,
            keys=(ReviewerKey(id="reviewers-1", public=b"\x07" * 32),),
            issued=ISSUED,
            expires=EXPIRES,
        ),
        PacksList(number=number, keys=(), issued=ISSUED),
        RevocationsList(number=number, serials=serials, issued=ISSUED),
    ]


def signed_lists(ca: PrivateKey = CA, number: int = 1, serials: tuple[int, ...] = ()) -> tuple[bytes, ...]:
    return tuple(sign_list(ca, body) for body in list_bodies(number, serials))


def certificate(ca: PrivateKey = CA, *, role: str = "technician", serial: int = 7) -> str:
    return issue_certificate(
        ca,
        ALICE_LINE,
        name="Alice Example",
        role=role,
        serial=serial,
        valid_after=NOW - timedelta(minutes=5),
        valid_before=NOW + timedelta(hours=12),
    )


def statement(transcript: bytes, **changes: object) -> SignedStatement:
    fields: dict[str, object] = {
        "version": 1,
        "transcript": transcript,
        "agent_host_key": HOST_KEY,
        "session_key": SESSION_KEY,
        "ticket": "42",
        "subject": "Web server does not start",
        "scopes": ("diagnose", "terminal"),
        "seconds": 1800,
        "relay": RELAY,
        "organisation_ca": CA_LINE,
    }
    return SignedStatement(**(fields | changes))  # type: ignore[arg-type]  # tests put wrong values in on purpose


def envelope(transcript: bytes, **changes: object) -> TechnicianEnvelope:
    return sign_statement(ALICE, certificate(), statement(transcript, **changes), signed_lists())
