"""Machines behind the customer's: reached once a session, after consent, a known host key and the customer's own
credentials or the technician's; then each is a `Machine` like this one, and every act on it names it.

Rule 1: reaching a machine is itself an action (RA1501). Rule 2: wrong credentials are counted; after `MAX_WRONG` the
machine is left alone for this session, so that nobody's account is locked. Rule 3: no secret is kept.
"""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Awaitable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from remote_assist.agent.actions import Action, Ending
from remote_assist.agent.conversation import Caller
from remote_assist.agent.gate import Running
from remote_assist.agent.hops.host_keys import HopKeys
from remote_assist.agent.machine import Machine
from remote_assist.agent.texts import say
from remote_assist.core.hostile import HostileStr
from remote_assist.core.prompt import Prompt, TypedQuestion
from remote_assist.core.requests import UseMachine
from remote_assist.core.signing.keys import fingerprint
from remote_assist.core.wishes import HopPlace, parse_hop
from remote_assist.errors import ContentError, RefusedError
from remote_assist.transport.hops.ssh import THREADS, SshHop
from remote_assist.transport.hops.ssh_login import HopConnection, Secret, Transport, open_connection
from remote_assist.transport.outward import Pinned, pin

if TYPE_CHECKING:  # only a name for types: pywinrm is loaded for a Windows machine
    from remote_assist.transport.hops.winrm import WinrmHop

    Hop = SshHop | WinrmHop

T = TypeVar("T")

MAX_WRONG = 2
"""Log-ins that may fail at one machine in one session."""

TYPING_SECONDS = 60.0


class Hops:
    """The machines of one session."""

    def __init__(
        self,
        session: str,
        technician: HostileStr,
        prompt: Prompt,
        home: Path,
        trust: str = "",
        certificate: str = "",
    ) -> None:
        """For HTTPS of Windows machines, `trust`: a file of authorities, empty for the system's; `certificate`: a file
        of the customer's own certificate and key, if they have one.
        """
        self._trust = trust
        self._certificate = certificate
        self._session = session
        self._name = technician
        self._prompt = prompt
        self._keys = HopKeys(home, customers_known_hosts())
        self._hops: dict[HopPlace, Hop] = {}
        self._wrong: dict[HopPlace, int] = {}
        self._ways: defaultdict[HopPlace, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def use(self, caller: Caller, request: UseMachine) -> None:
        """Let the caller's channel act on `place` from now on."""
        place = _place(request.place)
        secret = Secret(request.password) if request.password else None

        async def work(_machine: Machine, running: Running) -> Ending:
            hop = await self.reach(place, secret)
            await caller.accept(running)
            caller.ground.stand(str(place), Machine(hop, self._session))
            return Ending(sentence=f"{place}: {hop.platform}")

        await caller.finish(await caller.perform(hop_action(str(place)), work))

    def close(self) -> None:
        """Hang up everywhere. Returns at once."""
        for hop in self._hops.values():
            hop.close()

    async def reach(self, place: HopPlace, secret: Secret | None) -> "Hop":
        """The machine, logged in once a session and again when it went away. Raises AssistError."""
        async with self._ways[place]:
            known = self._hops.get(place)
            if known is None or not known.is_open:
                known = self._hops[place] = await self._connect(place, secret)
            return known

    async def _connect(self, place: HopPlace, secret: Secret | None) -> "Hop":
        if self._wrong.get(place, 0) >= MAX_WRONG:
            raise RefusedError(
                f"the credentials for {place} were wrong {MAX_WRONG} times; it is left alone in this session",
                reason="credentials",
            )
        pinned = await pin(place.endpoint)
        return await (self._by_ssh if place.kind == "ssh" else self._by_winrm)(place, pinned, secret)

    async def _by_winrm(self, place: HopPlace, pinned: Pinned, secret: Secret | None) -> "Hop":
        """By the technician's password where one was sent; else by the customer's certificate or ticket, else as they
        type.
        """
        from remote_assist.transport.hops.winrm import WinrmHop
        from remote_assist.transport.hops.winrm_connection import PLAIN_PORT, takes_tickets

        if secret is None and self._certificate and place.endpoint.port != PLAIN_PORT:
            with _unless_taken():
                return await _looked_at(WinrmHop(place, pinned, "", self._trust, certificate=self._certificate))
        if secret is None and takes_tickets(place):
            with _unless_taken():  # no ticket, or not one for that machine
                return await _looked_at(WinrmHop(place, pinned, "", self._trust))
        typed = secret.password if secret else await self._prompt.typed(_password_question(place, self._name))
        if not typed:
            raise RefusedError(f"nobody gave a password for {place}", reason="credentials")
        return await self._counted(place, _looked_at(WinrmHop(place, pinned, typed, self._trust)))

    async def _by_ssh(self, place: HopPlace, pinned: Pinned, secret: Secret | None) -> "Hop":
        known = self._keys.known(place.endpoint)
        pool = ThreadPoolExecutor(THREADS, thread_name_prefix="hop")
        try:
            connection = await open_connection(pinned, place, [line.split()[0] for line in known], pool)
            try:
                await self._judge(connection, known)
                hop = SshHop(place, await self._log_in(connection, secret), pool)
                await hop.look()
            except BaseException:
                connection.close()
                raise
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
        return hop

    async def _judge(self, connection: HopConnection, known: Sequence[str]) -> None:
        """Go on only with a key the customer knows; an unknown one they are asked about, another one is refused."""
        line = connection.host_key
        if line in known:
            return
        if known:
            raise RefusedError(
                f"{connection.place} shows another host key ({fingerprint(line)}) than the one known here",
                reason="host-key",
                advice="Somebody may be in between: ask whoever looks after that machine before anything else.",
            )
        if await self._prompt.typed(_key_question(connection.place, line)) != "yes":
            raise RefusedError(
                f"the host key of {connection.place} is not known, and the customer did not confirm it",
                reason="host-key",
                advice="The customer types yes at their screen, or knows the machine in ~/.ssh/known_hosts.",
            )
        self._keys.pin(connection.place.endpoint, line)

    async def _log_in(self, connection: HopConnection, secret: Secret | None) -> Transport:
        """By the technician's password where one was sent; else by the customer's ssh-agent, else as they type."""
        place = connection.place
        if secret is not None:
            return await self._counted(place, connection.log_in(secret, use_agent=False))
        try:
            return await connection.log_in(None, use_agent=True)
        except RefusedError:
            typed = await self._prompt.typed(_password_question(place, self._name))
            if not typed:
                raise
            return await self._counted(place, connection.log_in(Secret(typed), use_agent=False))

    async def _counted(self, place: HopPlace, log_in: Awaitable[T]) -> T:
        try:
            return await log_in
        except RefusedError:
            self._wrong[place] = self._wrong.get(place, 0) + 1
            raise


@contextlib.contextmanager
def _unless_taken() -> Iterator[None]:
    """Go on where a way to log in is not taken over there; everything else is raised."""
    try:
        yield
    except RefusedError as error:
        if error.reason != "credentials":
            raise


async def _looked_at(hop: "WinrmHop") -> "Hop":
    """The machine, logged in; hung up where that fails."""
    try:
        await hop.look()
    except BaseException:
        hop.close()
        raise
    return hop


def hop_action(place: str) -> Action:
    """The way to one machine."""
    return Action(code="RA1501", scope="hop", what=say("what.hop", place=place), place=place)


def customers_known_hosts() -> Path | None:
    """The customer's own list of host keys, where they have a home."""
    try:
        return Path.home() / ".ssh" / "known_hosts"
    except RuntimeError:
        return None


def _place(text: str) -> HopPlace:
    try:
        place = parse_hop(text)
    except ContentError as error:
        raise RefusedError(error.message, reason="other-place", advice=error.advice) from error
    return place


def _key_question(place: HopPlace, line: str) -> TypedQuestion:
    return TypedQuestion(
        lines=(
            HostileStr(say("hop.key", place=place, fingerprint=fingerprint(line))),
            HostileStr(say("hop.key-compare")),
        ),
        label=HostileStr(say("hop.key-label")),
        deadline_seconds=TYPING_SECONDS,
    )


def _password_question(place: HopPlace, name: HostileStr) -> TypedQuestion:
    return TypedQuestion(
        lines=(
            HostileStr(say("hop.password", name=name, place=place)),
            HostileStr(say("hop.password-whose")),
        ),
        label=HostileStr(say("hop.password-label", user=place.user)),
        deadline_seconds=TYPING_SECONDS,
        secret=True,
    )
