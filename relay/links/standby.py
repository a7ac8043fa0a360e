"""Enrolled machines that wait to be called: who they are, whether they are here, and the call itself.

    machine ─ WS /v1/standby: Challenge, StandBy ─▶ proven ─▶ waits      technician ─ nameplate?machine=m-… ─▶ Called

Rule 1: a machine is who its enrolment says, signed by a technician of this organisation, and shows its key for this
connection. Rule 2: the relay calls; whether anything is allowed the machine decides, by a consent never sent here.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime

import msgspec
from aiohttp import web
from sqlalchemy import Connection, func, insert, select, update

from relay.access import Caller, Verb
from relay.bodies import answer
from relay.limits.penalties import Penalties
from relay.limits.sources import address_of
from relay.links.sockets import OpenSockets, RelaySocket, hear, log_refusal, refuse, say
from relay.proven import check_proven
from relay.storage.schema import machines
from relay.storage.store import Store
from relay.trust import TrustFolder
from remote_assist.core.agreements.enrolment import Machine, check_enrolment
from remote_assist.core.api import Machines, MachineSummary
from remote_assist.core.messages import Called, Challenge, SignedEnrolment, StandBy, StandingBy
from remote_assist.core.records import format_time
from remote_assist.core.spoken import Spoken, check_caller
from remote_assist.errors import RefusedError, RemoteProtocolError, VerificationError

MAX_MACHINES = 10_000
MAX_BYTES = 64 << 10


class Standby:
    """The machines connected to this node, and the directory of all."""

    def __init__(
        self,
        store: Store,
        trust: TrustFolder,
        penalties: Penalties,
        sockets: OpenSockets,
        *,
        origins: tuple[str, ...],
        known: Callable[[web.Request], None],
        clock: Callable[[], datetime],
        entropy: Callable[[int], bytes],
        handshake_seconds: float,
    ) -> None:
        self._store = store
        self._trust = trust
        self._penalties = penalties
        self._sockets = sockets
        self._origins = origins
        self._known = known
        self._clock = clock
        self._entropy = entropy
        self._handshake_seconds = handshake_seconds
        self._here: dict[str, RelaySocket] = {}

    async def standby(self, request: web.Request, caller: Caller | None) -> web.StreamResponse:
        """WS /v1/standby: one machine, from its proof until it leaves."""
        source = address_of(request)
        self._penalties.check(source, self._clock())
        socket = await self._sockets.upgrade(request, max_bytes=MAX_BYTES)
        try:
            async with asyncio.timeout(self._handshake_seconds):
                machine, signed = await self._prove(socket)
            await self._remember(machine, signed)
        except TimeoutError:
            error = RefusedError("the machine did not prove itself in time", reason="too-slow")
            return await refuse(socket, error, Verb.STANDBY, source)
        except (RemoteProtocolError, RefusedError, VerificationError) as fault:
            self._penalties.failed(source, self._clock())
            return await refuse(socket, fault, Verb.STANDBY, source)
        self._known(request)
        await self._hold(machine.id, socket)
        return socket

    async def machines(self, request: web.Request, caller: Caller | None) -> web.StreamResponse:
        """GET /v1/machines: every enrolled machine that was ever here; what is signed says who it is."""
        rows = await self._store.read(lambda connection: connection.execute(_ALL).all())
        found = (
            MachineSummary(
                id=row.id, name=row.name, seen=row.seen, here=row.id in self._here, signed=_signed(row.signed)
            )
            for row in rows
        )
        return answer(Machines(machines=tuple(found)))

    def check_here(self, machine: str) -> None:
        """Raise RefusedError unless the machine waits at this node."""
        if machine not in self._here:
            raise RefusedError(
                "this machine is not connected to the relay now",
                reason="away",
                advice="`remote-assist enrolled` lists those that are; the machine runs `remote-assist standby`.",
            )

    async def call(self, machine: str, nameplate: str) -> None:
        """Tell a machine that a technician waits; one that left meanwhile does not come."""
        if machine in self._here:
            await say(self._here[machine], Called(nameplate=nameplate))

    async def _prove(self, socket: RelaySocket) -> tuple[Machine, SignedEnrolment]:
        nonce = self._entropy(32)
        await say(socket, Challenge(nonce=nonce))
        said = await hear(socket, StandBy)
        if said is None:
            raise RefusedError("the machine left", reason="gone")
        check_caller(Spoken(said.version, 0), "machine")
        machine = check_enrolment(
            said.signed, ca_line=self._trust.ca_line, revoked=self._trust.lists.revocations.serials
        )
        check_proven(
            "the machine",
            machine.id,
            machine.enrolment.enrolment_key,
            said.signature,
            purpose="standby",
            origins=self._origins,
            nonce=nonce,
        )
        return machine, said.signed

    async def _remember(self, machine: Machine, signed: SignedEnrolment) -> None:
        now = format_time(self._clock())

        def job(connection: Connection) -> None:
            values = {"name": machine.enrolment.name, "signed": msgspec.json.encode(signed), "seen": now}
            if connection.execute(update(machines).where(machines.c.id == machine.id).values(**values)).rowcount:
                return
            if connection.execute(select(func.count()).select_from(machines)).scalar_one() >= MAX_MACHINES:
                raise RefusedError("this relay knows as many machines as it may", reason="full")
            connection.execute(insert(machines), {"id": machine.id, **values})

        await self._store.write(job)

    async def _hold(self, machine: str, socket: RelaySocket) -> None:
        old = self._here.get(machine)
        self._here[machine] = socket
        if old is not None:
            await refuse(old, RefusedError("the machine connected again", reason="replaced"), Verb.STANDBY, machine)
        await say(socket, StandingBy(machine=machine))
        try:
            if await hear(socket, StandBy) is not None:
                raise RemoteProtocolError("a machine that waits says nothing")
        except RemoteProtocolError:
            log_refusal(Verb.STANDBY, "malformed", machine)
            await socket.end()
        finally:
            if self._here.get(machine) is socket:
                del self._here[machine]


_ALL = select(machines).order_by(machines.c.name, machines.c.id)


def _signed(raw: bytes) -> SignedEnrolment:
    return msgspec.json.decode(raw, type=SignedEnrolment)
