"""Connections that have not shown who they are: how many there may be, in all and from one address.

    accepted ──▶ silent ── a whole request head ──▶ heard ── token, proof or one-time ticket ──▶ known (not counted)
                   └── 20 s of silence ──▶ closed, and the address pays (relay/limits/penalties.py)

Rule 1: an address that has its share is closed at the door; others do not notice.
Rule 2: when all places are taken, the address that holds most of them loses its oldest connection to the newcomer.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from relay.limits.penalties import source_of


@dataclass(eq=False)
class Stranger:
    """One connection nobody knows yet. `is_open` tells whether it still exists; `drop` ends it."""

    address: str
    is_open: Callable[[], bool]
    drop: Callable[[], None]
    heard: bool = False
    source: str = field(init=False)

    def __post_init__(self) -> None:
        self.source = source_of(self.address)


class Strangers:
    """The strangers at the door of one relay."""

    def __init__(self, *, most: int, most_per_address: int) -> None:
        self._most = most
        self._most_per_address = most_per_address
        self._by_source: dict[str, OrderedDict[Stranger, None]] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def admit(self, one: Stranger, *, shared: bool = False) -> bool:
        """Count a new connection; False when its address has its share. `shared`: a proxy that speaks for many."""
        own = self._by_source.setdefault(one.source, OrderedDict())
        if len(own) >= self._most_per_address and not shared:
            self._forget_closed(own)
            if len(own) >= self._most_per_address:
                return False
        if self._count >= self._most:
            self._make_room()
        self._by_source.setdefault(one.source, own)[one] = None
        self._count += 1
        return True

    def known(self, one: Stranger) -> None:
        """It showed who it is, or left; harmless when said twice."""
        own = self._by_source.get(one.source)
        if own is None or one not in own:
            return
        del own[one]
        self._count -= 1
        if not own:
            del self._by_source[one.source]

    def sweep(self) -> None:
        """Forget all that are closed."""
        for own in list(self._by_source.values()):
            self._forget_closed(own)

    def _forget_closed(self, own: OrderedDict[Stranger, None]) -> None:
        for one in [one for one in own if not one.is_open()]:
            self.known(one)

    def _make_room(self) -> None:
        self.sweep()
        if self._count < self._most:
            return
        heaviest = max(self._by_source.values(), key=len)
        oldest = next(iter(heaviest))
        self.known(oldest)
        oldest.drop()
