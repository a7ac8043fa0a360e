"""One support code, tried once: from the nameplate to a technician who is verified, or to a burned code.

The code was typed here, or made here and typed by the technician; that changes who waits for whom, and nothing after.

Rule 1: the code is burned on this machine's disk before the reply that could be guessed against is sent; a drop, a
time-out and a restart find it burned. Rule 2: nothing is shown of a technician that `verify_envelope` did not return.
Rule 3: the ten minutes of a code run on this machine's own clock, from when it was typed or made.
"""

import asyncio
import contextlib
import platform
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from remote_assist import __version__
from remote_assist.agent.memory import AgentHome
from remote_assist.audit.log_memory import read_note
from remote_assist.core.attempts import AttemptMemory
from remote_assist.core.codec import decode, encode
from remote_assist.core.codes import SupportCode
from remote_assist.core.consent import Moment
from remote_assist.core.identity.statement import VerifiedTechnician, verify_envelope
from remote_assist.core.messages import (
    AgentStatement,
    Burn,
    EnrolmentProof,
    EnrolmentWish,
    Message,
    Pairing,
    PairingReply,
    PairingStart,
    PairingStatement,
    PeerJoined,
    PeerLeft,
    RelayRefused,
    Rendezvous,
    SignedEnrolment,
    Verdict,
)
from remote_assist.core.pairing import AgentPairing, version_only
from remote_assist.core.signing.keys import PrivateKey, public_line
from remote_assist.core.spoken import OTHER_VERSION, UPDATE_OLDER
from remote_assist.errors import (
    AssistError,
    CodeBurned,
    RefusedError,
    RemoteProtocolError,
    UnreachableError,
    VerificationError,
)
from remote_assist.settings import PairingSettings
from remote_assist.transport.link import Link

ASK_FOR_ANOTHER = "Ask the technician for a new support code."
ASK_ANEW = "Run `remote-assist ask` again: it makes a new code."
ENDED = "the technician's program ended the pairing: the code was mistyped, used up or too old"
ENDED_MADE_HERE = {
    "burned": "what the technician typed was not this code, so it is used up",
    "gone": "the technician left while the code was being checked, so it is used up",
    "closed": "the technician's ticket was closed, so the code is used up",
}
"""Why the relay says a technician left → what that means to whoever read the code out."""

NONCE_BYTES = 32
BURN_SECONDS = 1.0

_MessageT = TypeVar("_MessageT", bound=Message)


@dataclass(frozen=True, slots=True)
class Known:
    """What this agent holds of the organisation beforehand: its CA, unless it is first contact, and list floors."""

    origin: str
    ca_line: str | None
    floors: dict[str, int]
    other_origins: tuple[str, ...] = ()
    """Further addresses of the same relay, as this customer named them."""


class Attempt:
    """One try of one code over one link.

    `wish`: this machine asks to be enrolled; `prove`: it is, and was called (core/agreements/enrolment.py).
    `made_here`: the code is this machine's, and a technician who leaves before the first message costs nothing.
    """

    def __init__(
        self,
        code: SupportCode,
        link: Link,
        *,
        home: AgentHome,
        known: Known,
        host_key: PrivateKey,
        host_name: str,
        limits: PairingSettings,
        moment: Callable[[], Moment],
        entropy: Callable[[int], bytes],
        wish: EnrolmentWish | None = None,
        prove: Callable[[bytes], EnrolmentProof] | None = None,
        made_here: bool = False,
    ) -> None:
        self.made_here = made_here
        self._wish = wish
        self._prove = prove
        self.enrolment: SignedEnrolment | None = None
        self._nameplate = code.nameplate
        self._link = link
        self._home = home
        self._known = known
        self._host_key_line = public_line(host_key)
        self._host_name = host_name
        self._limits = limits
        self._moment = moment
        self._began = moment().boot_seconds
        self._pairing = AgentPairing(code, nonce=entropy(NONCE_BYTES), entropy=entropy)

    async def run(self, on_peer: Callable[[], None]) -> VerifiedTechnician:
        """Pair and verify. Raises CodeBurned, RefusedError, VerificationError, UnreachableError; each ends the code."""
        memory = self._home.attempts(self._limits)
        if refusal := None if self._prove else memory.refuses(self._moment().utc, self._nameplate):
            raise refusal
        reply = None
        while reply is None:
            await self._wait_for_peer()
            on_peer()
            try:
                reply = await self._reply()
            except (CodeBurned, RemoteProtocolError) as error:
                self._remember(memory.after_failure(self._moment().utc))
                another = isinstance(error, CodeBurned) and error.reason == "version"
                if another:
                    await self._tell_version()
                await self._burn("version" if another else "malformed")
                raise
        memory = memory.after_sending(self._nameplate, self._moment().utc)
        self._remember(memory)
        await self._link.send_binary(encode(reply, max_bytes=self._limits.message_max_bytes))
        return await self._verified(memory)

    async def take_back(self) -> None:
        """The customer does not want the code any more: nobody can take it from now on."""
        await self._burn("refused")

    @property
    def resume_key(self) -> bytes:
        """What proves, once the pairing is done, that a cut stream's other end is the technician of this code."""
        return self._pairing.resume_key

    async def send_verdict(self, verdict: Verdict) -> None:
        """Message 6, and the end of this link."""
        try:
            message = self._pairing.verdict(verdict)
            await self._link.send_binary(encode(message, max_bytes=self._limits.message_max_bytes))
        finally:
            await self._link.close()

    async def peer_gone(self) -> str:
        """Wait until the technician is gone, while the customer decides; answer why."""
        try:
            said = await self._next()
        except UnreachableError:
            return "gone"
        return said.reason if isinstance(said, PeerLeft) else "malformed"

    async def _reply(self) -> PairingReply | None:
        """Message 2 for message 1; None when the technician left before it and the code waits on."""
        message = await self._hear(self._limits.handshake_deadline_seconds)
        if self.made_here and message == PeerLeft(reason="gone"):
            return None
        if not isinstance(message, PairingStart):
            raise self._ended(message)
        return self._pairing.receive_start(message, self._statement)

    async def _verified(self, memory: AttemptMemory) -> VerifiedTechnician:
        message = await self._receive(PairingStatement, self._limits.handshake_deadline_seconds)
        try:
            envelope = self._pairing.receive_statement(message)
        except CodeBurned:
            await self._burn("wrong-code")
            raise
        try:
            technician = verify_envelope(
                envelope,
                transcript=self._pairing.transcript,
                host_key_line=self._host_key_line,
                relay_origin=self._known.origin,
                other_origins=self._known.other_origins,
                now=self._moment().utc,
                pinned_ca=self._known.ca_line,
                floors=self._known.floors,
            )
        except VerificationError as error:
            with contextlib.suppress(AssistError):
                await self.send_verdict(Verdict(reason="unverified", sentence=error.message[:200]))
            raise
        self.enrolment = envelope.enrolment or None
        self._remember(memory.after_success())
        return technician

    async def _wait_for_peer(self) -> None:
        try:
            async with asyncio.timeout(max(0.0, self._seconds_left())):
                said = await self._next()
        except TimeoutError as error:
            raise self._too_old() from error
        except UnreachableError as error:
            if not self.made_here:
                raise
            raise UnreachableError(
                "the connection to the relay broke while the code waited; the code works no more", advice=ASK_ANEW
            ) from error
        self._check_age()
        if not isinstance(said, PeerJoined):
            raise self._ended(said)

    async def _receive(self, kind: type[_MessageT], seconds: float) -> _MessageT:
        message = await self._hear(seconds)
        if not isinstance(message, kind):
            raise self._ended(message)
        return message

    async def _hear(self, seconds: float) -> Message:
        try:
            async with asyncio.timeout(min(seconds, max(0.0, self._seconds_left()))):
                message = await self._next()
        except TimeoutError as error:
            self._check_age()
            raise CodeBurned(
                "the technician's program did not answer in time; the code is used up",
                reason="timed-out",
                advice=self._another,
            ) from error
        self._check_age()
        return message

    async def _next(self) -> Message:
        raw = await self._link.receive()
        if isinstance(raw, str):
            return decode(raw, Rendezvous)  # type: ignore[arg-type]  # a union of tagged structs
        return decode(raw, Pairing, max_bytes=self._limits.message_max_bytes)  # type: ignore[arg-type]  # likewise

    async def _tell_version(self) -> None:
        with contextlib.suppress(AssistError, TimeoutError):
            async with asyncio.timeout(BURN_SECONDS):
                await self._link.send_binary(encode(version_only()))

    async def _burn(self, reason: str) -> None:
        with contextlib.suppress(AssistError, TimeoutError):
            async with asyncio.timeout(BURN_SECONDS):
                await self._link.send_text(encode(Burn(reason=reason)))

    def _remember(self, memory: AttemptMemory) -> None:
        """Codes are guessed, signatures are not: a machine that was called keeps no count."""
        if self._prove is None:
            self._home.remember_attempts(memory)

    def _check_age(self) -> None:
        """Raise CodeBurned once the code is older than its lifetime: also when a message was here already."""
        if self._seconds_left() <= 0:
            raise self._too_old()

    @property
    def _another(self) -> str:
        return ASK_ANEW if self.made_here else ASK_FOR_ANOTHER

    def _too_old(self) -> CodeBurned:
        sentence = "nobody took the code in time" if self.made_here else "this support code is too old"
        return CodeBurned(sentence, reason="expired", advice=self._another)

    def _ended(self, said: object) -> AssistError:
        """What it means when something else came than the next message of the pairing."""
        if isinstance(said, RelayRefused):
            kind = CodeBurned if said.reason in {"used", "expired", "unknown-code"} else RefusedError
            return kind(said.sentence, reason=said.reason, advice=said.advice)
        if not isinstance(said, PeerLeft):
            return RemoteProtocolError(f"a {type(said).__name__} out of turn in the pairing")
        if said.reason == "version":
            return CodeBurned(OTHER_VERSION.format("technician's"), reason="version", advice=UPDATE_OLDER)
        if said.reason == "expired" and self.made_here:
            return self._too_old()
        sentence = ENDED_MADE_HERE.get(said.reason, ENDED) if self.made_here else ENDED
        return CodeBurned(sentence, reason=said.reason, advice=self._another)

    def _seconds_left(self) -> float:
        return self._began + self._limits.code_lifetime_seconds - self._moment().boot_seconds

    def _statement(self, offer: bytes) -> AgentStatement:
        return AgentStatement(
            host_key=self._host_key_line,
            agent_version=__version__,
            platform=platform.system().lower(),
            host_name=self._host_name,
            checkpoint=read_note(self._home.path, self._known.origin),
            wish=self._wish or msgspec.UNSET,
            proof=self._prove(offer) if self._prove else msgspec.UNSET,
        )
