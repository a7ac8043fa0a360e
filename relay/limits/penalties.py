"""What an address pays for failing: seconds of waiting that grow (after OpenSSH's PerSourcePenalties). Pure.

Rule: a penalty is charged at once but holds only beyond `Tariff.holds`, so a slip of a finger costs nothing.
"""

from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv6Address, ip_address, ip_network

from remote_assist.errors import RefusedError

FREE_FAILURES = 3
"""Failures at the plain unit; each later one costs twice the one before."""

MAX_SOURCES = 65536


@dataclass(frozen=True, slots=True)
class Tariff:
    """What failing costs. `unit`: one failure; `holds`: debts up to this are not felt; `most`: the longest wait."""

    unit: timedelta = timedelta(seconds=5)
    holds: timedelta = timedelta(seconds=10)
    most: timedelta = timedelta(seconds=600)
    forget: timedelta = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Debt:
    """What one source owes: it may come again at `until`, if that is far enough away to hold."""

    failures: int
    until: datetime
    holds: bool
    last: datetime


class Penalties:
    """Debts by source address; IPv6 sources are counted by their /64."""

    def __init__(self, tariff: Tariff = Tariff()) -> None:
        self._tariff = tariff
        self._debts: OrderedDict[str, Debt] = OrderedDict()

    def failed(self, address: str, now: datetime, *, units: int = 1) -> None:
        """Charge one failure: a wrong nameplate, a refused login; two units for a connection that said nothing."""
        tariff = self._tariff
        source = source_of(address)
        old = self._debts.get(source)
        if old is None or old.last <= now - tariff.forget:
            old = Debt(0, now, False, now)
        cost = tariff.unit * (units << min(max(0, old.failures + 1 - FREE_FAILURES), 10))
        until = min(max(old.until, now) + cost, now + tariff.most)
        holds = (old.holds and old.until > now) or until - now > tariff.holds
        self._debts[source] = Debt(old.failures + 1, until, holds, now)
        self._debts.move_to_end(source)
        while len(self._debts) > MAX_SOURCES:
            self._debts.popitem(last=False)

    def check(self, address: str, now: datetime) -> None:
        """Raise RefusedError `slow-down` while the source has to wait."""
        debt = self._debts.get(source_of(address))
        if debt is None or not debt.holds or debt.until <= now:
            return
        seconds = int((debt.until - now).total_seconds()) + 1
        raise RefusedError(
            "too many failed attempts from this address", reason="slow-down", advice=f"Try again in {seconds} seconds."
        )


def source_of(address: str) -> str:
    """The unit that is charged: an IPv4 address, or the /64 of an IPv6 address."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return "unknown"
    if not isinstance(parsed, IPv6Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ip_network((parsed, 64), strict=False))
