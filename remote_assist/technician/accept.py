"""Taking a customer's code: the other order. The customer's agent made the code and waits; this end types it.

Rule 1: one guess. The number is remembered (0600) before the agent's answer is looked at: whoever stands between, be it
the relay, sees what this end makes of one answer for one code, never of two. Rule 2: as in an invitation, the words are
in this process's memory only. From the pairing on everything is technician/pairing_attempt.py, in both orders.
"""

import asyncio
from collections.abc import Callable
from urllib.parse import quote

from remote_assist.core.codes import SupportCode
from remote_assist.core.messages import AgentStatement, PeerJoined
from remote_assist.errors import CodeBurned, UnreachableError
from remote_assist.technician.pairing_attempt import Inviter, PairingAttempt, Wanted
from remote_assist.technician.rendezvous import ASK_CUSTOMER, burn, burning, reach, read_rendezvous, unexpected
from remote_assist.transport.link import Link

OnPaired = Callable[[AgentStatement], None]
"""Told of the agent once the code was right: the customer is asked from then on."""


async def accept(inviter: Inviter, wanted: Wanted, code: SupportCode, on_paired: OnPaired = lambda agent: None) -> str:
    """Pair with the customer who waits beside `code`; their yes gives a session, whose id this answers.

    May be cancelled at any time; the code is used up if the customer's program had answered. Raises UsageError,
    CodeBurned, ConsentDenied, RefusedError (ticket, limits), UnreachableError.
    """
    wanted.check()
    home, clock = inviter.home, inviter.clock
    home.check_untried(code.nameplate, clock())
    path = f"/v1/accept/{code.nameplate}?ticket={quote(wanted.ticket.id, safe=':')}"
    link = await reach(inviter.settings, inviter.addresses, inviter.token, path)
    async with burning(link, ASK_CUSTOMER):
        await _meet(inviter, link)
        attempt = PairingAttempt(
            inviter,
            wanted,
            code,
            link,
            again=ASK_CUSTOMER,
            before_reply=lambda: home.remember_tried(code.nameplate, clock()),
            on_paired=on_paired,
        )
        session = await attempt.run()
        if not session:
            raise CodeBurned("the customer took the code back", reason="gone", advice=ASK_CUSTOMER)
        await burn(link, "paired")
        return session


async def _meet(inviter: Inviter, link: Link) -> None:
    """Wait until the relay has put both ends together. Raises CodeBurned, RefusedError, UnreachableError."""
    try:
        async with asyncio.timeout(inviter.settings.connect_deadline_seconds):
            said = read_rendezvous(await link.receive())
    except TimeoutError as error:
        raise UnreachableError("the relay did not answer in time") from error
    if not isinstance(said, PeerJoined):
        raise unexpected(said, ASK_CUSTOMER)
