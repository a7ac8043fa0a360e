"""Nameplates: six digits that only route. Pure; the clock and the dice are handed in.

    ASSIGNED ──join──▶ JOINED ──reply sent──▶ TAKEN ──burn──▶ gone, remembered as "used"
       ▲                 │
       └──── left early ─┘   at most twice; the third time the nameplate is replaced
       └──── lifetime over ──▶ gone, remembered as "expired"

Rule 1: there is no way to list nameplates.
Rule 2: a number that was ever given out answers "used" or "expired" for an hour and is not given out again meanwhile.
Rule 3: by default at most 1 % of the numbers are taken, so that guessing one finds nothing.
Rule 4: two orders, one table. A technician's number admits a customer, a customer's a technician; to whoever comes from
the wrong side it does not exist. Only a technician's is replaced: a customer's was read out to somebody already.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum, StrEnum

from remote_assist.errors import CodeBurned, RefusedError

DIGITS = 6
SPACE = 10**DIGITS
MEMORY = timedelta(hours=1)
MAX_REMEMBERED = SPACE // 10


class Order(StrEnum):
    """Who comes first: the technician, who invites, or the customer, who asks."""

    INVITE = "invite"
    ASK = "ask"


ASK_FOR_ANOTHER = {
    Order.INVITE: "Ask the technician for a new support code.",
    Order.ASK: "Ask the customer for a new code: they run `remote-assist ask` again.",
}
"""What whoever came too late can do."""


@dataclass(frozen=True, slots=True)
class Share:
    """What one order may take: numbers of all owners together, and of one. `mine`, `advice`: for who has that many."""

    most: int
    most_per_owner: int
    mine: str
    advice: str

    def check_owner(self, count: int) -> None:
        """Raise RefusedError `busy` for an owner who holds `count` numbers."""
        if count >= self.most_per_owner:
            raise RefusedError(f"{self.most_per_owner} {self.mine}", reason="busy", advice=self.advice)


def invite_share(most: int = 10_000, most_per_owner: int = 20) -> Share:
    """What technicians may take."""
    return Share(
        most,
        most_per_owner,
        "support codes of yours are waiting already",
        "Cancel invitations that nobody will answer.",
    )


def ask_share(most: int = 1_000, most_per_owner: int = 5) -> Share:
    """What customers, strangers to the relay, may take; their owner is their address."""
    return Share(
        most, most_per_owner, "codes asked for from this address are waiting already", "Try again in a few minutes."
    )


INVITES, ASKS = invite_share(), ask_share()


class State(Enum):
    """Where a nameplate stands; see the drawing above."""

    ASSIGNED = "assigned"
    JOINED = "joined"
    TAKEN = "taken"


@dataclass(frozen=True, slots=True)
class Nameplate:
    """One number that is given out. `leaves`: how often a joiner left before its reply."""

    number: str
    owner: str
    expires: datetime
    order: Order = Order.INVITE
    state: State = State.ASSIGNED
    leaves: int = 0


class Rendezvous:
    """Which nameplates are given out, and what became of those that were."""

    def __init__(
        self,
        *,
        lifetime_seconds: int,
        early_leaves: int,
        entropy: Callable[[int], bytes],
        invites: Share = INVITES,
        asks: Share = ASKS,
    ) -> None:
        self.shares = {Order.INVITE: invites, Order.ASK: asks}
        self._lifetime = timedelta(seconds=lifetime_seconds)
        self._early_leaves = early_leaves
        self._entropy = entropy
        self._open: dict[str, Nameplate] = {}
        self._past: OrderedDict[str, tuple[str, datetime]] = OrderedDict()

    def assign(self, owner: str, now: datetime, order: Order = Order.INVITE) -> Nameplate:
        """A fresh nameplate. RefusedError `busy` when too many are out, `not-offered` for an order with no share."""
        self.expire(now)
        share = self.shares[order]
        if not share.most:
            raise _not_offered()
        share.check_owner(sum(one.owner == owner for one in self._open.values()))
        if len(self._open) >= self.shares[Order.INVITE].most or self.count(order) >= share.most:
            raise RefusedError(
                "the relay has given out as many support codes as it may",
                reason="busy",
                advice="Try again in a few minutes.",
            )
        plate = Nameplate(self._unused_number(), owner, now + self._lifetime, order)
        self._open[plate.number] = plate
        return plate

    def join(self, number: str, now: datetime, order: Order = Order.INVITE) -> Nameplate:
        """Take part in a nameplate; it admits one joiner. CodeBurned says unknown-code, expired or used."""
        self.expire(now)
        plate = self._open.get(number)
        if plate is None or plate.order is not order:
            raise self._gone(number, order)
        if plate.state is not State.ASSIGNED:
            raise _used(order)
        return self._put(replace(plate, state=State.JOINED))

    def replied(self, number: str) -> None:
        """The joiner sent its first message of the pairing: from now on the number is used up."""
        plate = self._open.get(number)
        if plate is not None and plate.state is State.JOINED:
            self._put(replace(plate, state=State.TAKEN))

    def joiner_left(self, number: str, now: datetime) -> Nameplate | None:
        """What follows when a joiner left: the freed nameplate, a replacement, or None when it is used up."""
        plate = self._open.get(number)
        if plate is None:
            return None
        if plate.state is State.TAKEN:
            self.burn(number, now)
            return None
        if plate.leaves < self._early_leaves:
            return self._put(replace(plate, state=State.ASSIGNED, leaves=plate.leaves + 1))
        self.burn(number, now)
        return self.assign(plate.owner, now) if plate.order is Order.INVITE else None

    def burn(self, number: str, now: datetime) -> None:
        """The number is used up: a failed or finished pairing, or its owner left."""
        if self._open.pop(number, None) is not None:
            self._remember(number, "used", now)

    def expire(self, now: datetime) -> tuple[str, ...]:
        """Numbers whose lifetime ended while nobody had joined; a pairing under way has its own deadline."""
        over = tuple(one.number for one in self._open.values() if one.expires <= now and one.state is State.ASSIGNED)
        for number in over:
            del self._open[number]
            self._remember(number, "expired", now)
        while self._past and next(iter(self._past.values()))[1] <= now - MEMORY:
            self._past.popitem(last=False)
        return over

    @property
    def taken(self) -> int:
        """How many nameplates are out now."""
        return len(self._open)

    def count(self, order: Order) -> int:
        """How many of one order are out now."""
        return sum(one.order is order for one in self._open.values())

    def _put(self, plate: Nameplate) -> Nameplate:
        self._open[plate.number] = plate
        return plate

    def _remember(self, number: str, what: str, now: datetime) -> None:
        self._past[number] = (what, now)
        self._past.move_to_end(number)
        while len(self._past) > MAX_REMEMBERED:
            self._past.popitem(last=False)

    def _unused_number(self) -> str:
        # At most 20 % of the numbers are out or remembered, so a draw fails rarely; 64 bits make the modulus fair.
        while True:
            number = f"{int.from_bytes(self._entropy(8), 'big') % SPACE:0{DIGITS}d}"
            if number not in self._open and number not in self._past:
                return number

    def _gone(self, number: str, order: Order) -> CodeBurned:
        what, _ = self._past.get(number, ("unknown", None))
        if what == "used":
            return _used(order)
        if what == "expired":
            return CodeBurned("this support code is too old", reason="expired", advice=ASK_FOR_ANOTHER[order])
        return CodeBurned("there is no such support code", reason="unknown-code", advice="Check the six digits.")


def _not_offered() -> RefusedError:
    return RefusedError(
        "this relay gives customers no codes of their own",
        reason="not-offered",
        advice="Ask your support for a code, and type it at `remote-assist join`.",
    )


def _used(order: Order) -> CodeBurned:
    return CodeBurned("this support code was used already", reason="used", advice=ASK_FOR_ANOTHER[order])
