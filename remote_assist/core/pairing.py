"""Pairing: two ends that share three spoken words become two ends that know each other's keys. PROTOCOL section 1.

    technician                                  agent
    new ──start──▶ started                      new ──receive_start──▶ replied      (its code is burned from here)
      1 PairingStart X, nonce ─────────────────▶
      ◀──────────── 2 PairingReply Y, nonce, sealed agent statement, MAC over 1–2
    started ──receive_reply──▶ confirmed
      4 PairingStatement sealed envelope, MAC over 1–4 ──▶
    confirmed ──statement──▶ stated             replied ──receive_statement──▶ stated
      ◀──────────── 6 PairingVerdict sealed verdict, MAC over 1–6
    stated ──receive_verdict──▶ done            stated ──verdict──▶ done

Rule 1: one object is one guess. Whatever goes wrong burns it: CodeBurned, and every later call is LocalProtocolError.
A hello of another version burns it too; the agent answers one with `version_only`, so that both can say who is older.
Rule 2: `spake2` never notices a wrong word; only the MACs do. Nothing is believed before its MAC held.
The words were checked against the list before; nonces and the source of randomness are arguments.
"""

from collections.abc import Callable
from typing import TypeVar

import msgspec
from spake2 import SPAKE2_A, SPAKE2_B, SPAKEError
from spake2.ed25519_basic import NotOnCurve

from remote_assist.core import codec
from remote_assist.core.attempts import AttemptMemory
from remote_assist.core.codes import SupportCode, parse_code
from remote_assist.core.identity.statement import VerifiedTechnician, sign_statement, verify_envelope
from remote_assist.core.messages import (
    PROTOCOL_VERSION,
    AgentStatement,
    PairingReply,
    PairingStart,
    PairingStatement,
    PairingVerdict,
    TechnicianEnvelope,
    Verdict,
)
from remote_assist.core.pairing_keys import (
    AGENT_TO_TECHNICIAN,
    MAC_BYTES,
    TECHNICIAN_TO_AGENT,
    PairingKeys,
    transcript_hash,
)
from remote_assist.core.signing import keys
from remote_assist.core.spoken import version_fault
from remote_assist.errors import CodeBurned, ContentError, LocalProtocolError, RemoteProtocolError

__all__ = [
    "AgentPairing",
    "AttemptMemory",
    "TechnicianPairing",
    "VerifiedTechnician",
    "sign_statement",
    "verify_envelope",
    "version_only",
]

ELEMENT_BYTES = 33
"""A SPAKE2 element with the letter of its side in front."""

NONCE_BYTES = 32

AGAIN = "Make a new support code and try again."

MAX_SEALED_BYTES = 46 << 10
"""Longest sealed part: in base64, with the rest, it fits a pairing message of 64 KiB."""

TECHNICIAN_NEXT: dict[str, dict[str, str]] = {
    "new": {"start": "started"},
    "started": {"receive_reply": "confirmed"},
    "confirmed": {"statement": "stated"},
    "stated": {"receive_verdict": "done"},
    "done": {},
    "burned": {},
}
AGENT_NEXT: dict[str, dict[str, str]] = {
    "new": {"receive_start": "replied"},
    "replied": {"receive_statement": "stated"},
    "stated": {"verdict": "done"},
    "done": {},
    "burned": {},
}
"""State → event → state. A pair that is not here raises LocalProtocolError."""

_AGENT_STATEMENT = "statement a→t"
_TECHNICIAN_STATEMENT = "statement t→a"
_VERDICT = "verdict a→t"

_T = TypeVar("_T", bound=msgspec.Struct)


class _Pairing:
    """What both ends do alike: one state, one growing list of the fields said so far."""

    _next: dict[str, dict[str, str]]
    _they: str
    """The program at the other end, as this end calls it."""

    def __init__(self, code: SupportCode, *, nonce: bytes) -> None:
        if parse_code(str(code)) != code:
            raise LocalProtocolError("a pairing needs a code as parse_code gives it")
        if len(nonce) != NONCE_BYTES:
            raise LocalProtocolError(f"a pairing needs a nonce of {NONCE_BYTES} bytes")
        self.state = "new"
        self._nonce = nonce
        self._said: list[bytes] = []
        self._keys: PairingKeys | None = None
        self._transcript = b""
        self._offer = b""
        self._code = code

    @property
    def transcript(self) -> bytes:
        """Hash over messages 1 and 2, known once 2 was sent or held."""
        if not self._transcript:
            raise LocalProtocolError("there is no transcript before message 2")
        return self._transcript

    @property
    def offer(self) -> bytes:
        """Hash over what both ends said in the open (elements and nonces): what an enrolled machine signs."""
        if not self._offer:
            raise LocalProtocolError("there is no offer before message 2")
        return self._offer

    @property
    def resume_key(self) -> bytes:
        """32 bytes, known once the other end has shown that it knows the words."""
        if self.state not in {"confirmed", "stated", "done"}:
            raise LocalProtocolError("there is no resume key before the other end is confirmed")
        return self._shared.resume_key

    @property
    def _shared(self) -> PairingKeys:
        if self._keys is None:
            raise LocalProtocolError("there are no keys before messages 1 and 2")
        return self._keys

    def _step(self, event: str) -> None:
        """Take the step, or refuse it. What fails after this leaves the pairing burned."""
        following = self._next[self.state].get(event)
        if following is None:
            raise LocalProtocolError(f"{event} is not possible when a pairing is {self.state}")
        self.state = following

    def _burn(self, sentence: str, reason: str, advice: str = "") -> CodeBurned:
        self.state = "burned"
        return CodeBurned(sentence, reason=reason, advice=f"{advice} {AGAIN}".strip())

    def _malformed(self, what: str) -> CodeBurned:
        return self._burn(f"the other end sent {what} that is not of this protocol; the code is used up", "malformed")

    def _wrong_code(self) -> CodeBurned:
        return self._burn("the support code was wrong, or somebody is in between; the code is used up", "wrong-code")

    def _check_hello(self, version: int, element: bytes, nonce: bytes) -> None:
        fault, advice = version_fault(version, self._they)
        if fault:
            raise self._burn(fault, "version", advice)
        if len(element) != ELEMENT_BYTES or len(nonce) != NONCE_BYTES:
            raise self._malformed("a first message")

    def _finish(self, side: "SPAKE2_A | SPAKE2_B", element: bytes, salt: bytes) -> PairingKeys:
        try:
            return PairingKeys(side.finish(element), salt)
        except (ValueError, AssertionError, NotOnCurve, SPAKEError) as error:
            raise self._malformed("an element") from error

    def _seal(self, use: str, message: msgspec.Struct) -> bytes:
        return self._shared.seal(use, codec.encode(message, max_bytes=MAX_SEALED_BYTES - 16), self._said)

    def _open(self, use: str, sealed: bytes, kind: type[_T]) -> _T:
        try:
            return codec.decode(self._shared.open(use, sealed, self._said), kind, max_bytes=MAX_SEALED_BYTES)
        except (ValueError, RemoteProtocolError) as error:
            raise self._malformed("a sealed part") from error

    def _check_mac(self, mac: bytes, direction: str, sealed: bytes) -> None:
        if len(mac) != MAC_BYTES or len(sealed) > MAX_SEALED_BYTES:
            raise self._malformed("a message")
        if not self._shared.confirms(mac, direction, [*self._said, sealed]):
            raise self._wrong_code()


class TechnicianPairing(_Pairing):
    """The technician's end: SPAKE2's side A, whoever made the code."""

    _next = TECHNICIAN_NEXT
    _they = "customer's program"

    def __init__(self, code: SupportCode, *, nonce: bytes, entropy: Callable[[int], bytes]) -> None:
        super().__init__(code, nonce=nonce)
        self._side = SPAKE2_A(**_identities(code), entropy_f=entropy)

    def start(self) -> PairingStart:
        """Message 1."""
        self._step("start")
        message = PairingStart(version=PROTOCOL_VERSION, x=self._side.start(), nonce=self._nonce)
        self._said = _start_fields(message, self._code)
        return message

    def receive_reply(self, reply: PairingReply) -> AgentStatement:
        """Message 2, once its MAC held. Raises CodeBurned; then nothing more may be sent."""
        self._step("receive_reply")
        self._check_hello(reply.version, reply.y, reply.nonce)
        self._keys = self._finish(self._side, reply.y, self._nonce + reply.nonce)
        self._said += [reply.y, reply.nonce]
        self._offer = transcript_hash(self._said)
        self._check_mac(reply.mac, AGENT_TO_TECHNICIAN, reply.sealed)
        statement = self._open(_AGENT_STATEMENT, reply.sealed, AgentStatement)
        if not _is_plain_key(statement.host_key):
            raise self._malformed("a host key")
        self._said += [reply.sealed, reply.mac]
        self._transcript = transcript_hash(self._said)
        return statement

    def statement(self, envelope: TechnicianEnvelope) -> PairingStatement:
        """Message 4."""
        self._step("statement")
        sealed = self._seal(_TECHNICIAN_STATEMENT, envelope)
        mac = self._shared.confirm(TECHNICIAN_TO_AGENT, [*self._said, sealed])
        self._said += [sealed, mac]
        return PairingStatement(sealed=sealed, mac=mac)

    def receive_verdict(self, verdict: PairingVerdict) -> Verdict:
        """Message 6: what the customer decided. Raises CodeBurned."""
        self._step("receive_verdict")
        self._check_mac(verdict.mac, AGENT_TO_TECHNICIAN, verdict.sealed)
        return self._open(_VERDICT, verdict.sealed, Verdict)


class AgentPairing(_Pairing):
    """The agent's end: SPAKE2's side B. Its code is burned once the answer of `receive_start` is sent."""

    _next = AGENT_NEXT
    _they = "technician's program"

    def __init__(self, code: SupportCode, *, nonce: bytes, entropy: Callable[[int], bytes]) -> None:
        super().__init__(code, nonce=nonce)
        self._side = SPAKE2_B(**_identities(code), entropy_f=entropy)

    def receive_start(
        self, start: PairingStart, statement: AgentStatement | Callable[[bytes], AgentStatement]
    ) -> PairingReply:
        """Message 2 for message 1. Raises CodeBurned. Remember the attempt durably before sending the answer.

        A `statement` that depends on what was said so far is made of the `offer`.
        """
        self._step("receive_start")
        self._check_hello(start.version, start.x, start.nonce)
        element = self._side.start()
        self._keys = self._finish(self._side, start.x, start.nonce + self._nonce)
        self._said = [*_start_fields(start, self._code), element, self._nonce]
        self._offer = transcript_hash(self._said)
        said = statement if isinstance(statement, AgentStatement) else statement(self._offer)
        sealed = self._seal(_AGENT_STATEMENT, said)
        mac = self._shared.confirm(AGENT_TO_TECHNICIAN, [*self._said, sealed])
        self._said += [sealed, mac]
        self._transcript = transcript_hash(self._said)
        return PairingReply(version=PROTOCOL_VERSION, y=element, nonce=self._nonce, sealed=sealed, mac=mac)

    def receive_statement(self, message: PairingStatement) -> TechnicianEnvelope:
        """Message 4, once its MAC held; the envelope is for `verify_envelope`. Raises CodeBurned."""
        self._step("receive_statement")
        self._check_mac(message.mac, TECHNICIAN_TO_AGENT, message.sealed)
        envelope = self._open(_TECHNICIAN_STATEMENT, message.sealed, TechnicianEnvelope)
        self._said += [message.sealed, message.mac]
        return envelope

    def verdict(self, verdict: Verdict) -> PairingVerdict:
        """Message 6."""
        self._step("verdict")
        sealed = self._seal(_VERDICT, verdict)
        return PairingVerdict(sealed=sealed, mac=self._shared.confirm(AGENT_TO_TECHNICIAN, [*self._said, sealed]))


def version_only() -> PairingReply:
    """What a technician's program of another version is answered: which version this is, and nothing to guess by."""
    zeroes = {"y": bytes(ELEMENT_BYTES), "nonce": bytes(NONCE_BYTES), "mac": bytes(MAC_BYTES)}
    return PairingReply(version=PROTOCOL_VERSION, sealed=b"", **zeroes)


def _identities(code: SupportCode) -> dict[str, bytes]:
    return {
        "password": code.words.encode("ascii"),
        "idA": f"technician/{PROTOCOL_VERSION}/{code.nameplate}".encode("ascii"),
        "idB": f"agent/{PROTOCOL_VERSION}/{code.nameplate}".encode("ascii"),
    }


def _start_fields(start: PairingStart, code: SupportCode) -> list[bytes]:
    return [b"pairing", str(PROTOCOL_VERSION).encode(), code.nameplate.encode("ascii"), start.x, start.nonce]


def _is_plain_key(line: str) -> bool:
    try:
        return keys.load_public(line) == line
    except ContentError:
        return False
