"""Inviting a customer: a support code, the pairing as technician, and the keys of the session that comes of it.

Rule 1: the words of a code exist in this process's memory and on the screen, nowhere else.
Rule 2: one guess. The first wrong or malformed reply burns the code here, whatever the relay does.
Rule 3: the ten minutes run on this machine's clock.
"""

import asyncio
import secrets
from collections.abc import Callable
from datetime import datetime, timedelta
from types import TracebackType
from typing import Self
from urllib.parse import quote

from remote_assist.core.agreements.enrolment import open_code
from remote_assist.core.codes import SupportCode, new_code, spoken
from remote_assist.core.messages import NameplateAssigned, PeerJoined, PeerLeft
from remote_assist.errors import CodeBurned, UnreachableError
from remote_assist.technician.pairing_attempt import Inviter, PairingAttempt, Wanted
from remote_assist.technician.rendezvous import ASK_AGAIN, burn, burning, reach, read_rendezvous, unexpected
from remote_assist.transport.link import Link

__all__ = ["Invitation", "Inviter", "Wanted"]


class Invitation:
    """A code that waits for its customer. Ends by `paired()`, `cancel()`, or after ten minutes."""

    def __init__(self, inviter: Inviter, wanted: Wanted, link: Link, assigned: NameplateAssigned) -> None:
        self._inviter = inviter
        self._wanted = wanted
        self._link = link
        self._code = self._new_code(assigned)
        self._expires = self._expiry(assigned)

    @classmethod
    async def open(cls, inviter: Inviter, wanted: Wanted) -> "Invitation":
        """Get a nameplate and choose the words. Raises UsageError, RefusedError, UnreachableError."""
        wanted.check()
        machine = f"&machine={wanted.machine}" if wanted.machine else ""
        path = f"/v1/nameplate?ticket={quote(wanted.ticket.id, safe=':')}{machine}"
        link = await reach(inviter.settings, inviter.addresses, inviter.token, path)
        try:
            async with asyncio.timeout(inviter.settings.connect_deadline_seconds):
                said = read_rendezvous(await link.receive())
            if not isinstance(said, NameplateAssigned):
                raise unexpected(said)
            return cls(inviter, wanted, link, said)
        except TimeoutError as error:
            await link.close()
            raise UnreachableError("the relay gave no support code in time") from error
        except BaseException:
            await link.close()
            raise

    @property
    def code(self) -> SupportCode:
        """The code to tell the customer."""
        return self._code

    @property
    def expires(self) -> datetime:
        """When the code stops working."""
        return self._expires

    @property
    def spoken(self) -> str:
        """The code as one says it on the telephone."""
        return spoken(self._code)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.cancel()

    async def cancel(self) -> None:
        """Burn the code and leave; harmless when it is over already."""
        await burn(self._link, "refused")
        await self._link.close()

    async def paired(self, on_new_code: Callable[[SupportCode], None] | None = None) -> str:
        """Wait for the customer's yes; answer the session id.

        When strangers joined and left too often, the relay replaces the nameplate: `on_new_code` is told, and
        without it that is the end. Raises CodeBurned, ConsentDenied, UnreachableError.
        """
        async with burning(self._link, ASK_AGAIN):
            while True:
                await self._wait_for_customer(on_new_code)
                attempt = PairingAttempt(self._inviter, self._wanted, self._code, self._link)
                if session := await attempt.run():
                    await burn(self._link, "paired")
                    return session

    async def _wait_for_customer(self, on_new_code: Callable[[SupportCode], None] | None) -> None:
        while True:
            left = (self._expires - self._inviter.clock()).total_seconds()
            try:
                async with asyncio.timeout(max(0.0, left)):
                    said = read_rendezvous(await self._link.receive())
            except TimeoutError as error:
                await burn(self._link, "refused")
                raise CodeBurned("nobody came within ten minutes", reason="expired", advice=ASK_AGAIN) from error
            if isinstance(said, PeerJoined):
                return
            if isinstance(said, NameplateAssigned) and on_new_code is not None:
                self._code = self._new_code(said)
                self._expires = self._expiry(said)
                on_new_code(self._code)
            elif isinstance(said, NameplateAssigned):
                raise CodeBurned(
                    "strangers joined this code and left; it was replaced", reason="used", advice=ASK_AGAIN
                )
            elif not (isinstance(said, PeerLeft) and said.reason == "gone"):
                raise unexpected(said)

    def _new_code(self, assigned: NameplateAssigned) -> SupportCode:
        """A secret code; for an enrolled machine, which proves itself otherwise, one without a secret."""
        if self._wanted.machine:
            return open_code(assigned.nameplate)
        return new_code(assigned.nameplate, secrets.token_bytes(8))

    def _expiry(self, assigned: NameplateAssigned) -> datetime:
        seconds = min(assigned.seconds, self._inviter.settings.pairing.code_lifetime_seconds)
        return self._inviter.clock() + timedelta(seconds=seconds)
