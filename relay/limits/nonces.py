"""Login nonces, good once and for a minute. Pure.

    nonce = issued (u64, microseconds) · 8 random bytes · HMAC-SHA256(secret, the 16 before)[:16]

Rule: giving out a nonce stores nothing, so a flood of requests cannot push out somebody else's.
"""

import hashlib
import hmac
from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime, timedelta

from remote_assist.errors import RefusedError

MAX_SPENT = 65536
"""Nonces that came back within one lifetime; beyond, logins are refused rather than forgotten."""


class LoginNonces:
    """Gives out nonces and takes each back at most once."""

    def __init__(self, *, lifetime_seconds: int, entropy: Callable[[int], bytes], secret: bytes = b"") -> None:
        """`secret`: one that other nodes have too; without, a fresh one."""
        self.lifetime = timedelta(seconds=lifetime_seconds)
        self._entropy = entropy
        self._secret = secret or entropy(32)
        self._spent: OrderedDict[bytes, datetime] = OrderedDict()

    def give(self, now: datetime) -> bytes:
        """A fresh nonce of 32 bytes."""
        head = _microseconds(now).to_bytes(8, "big") + self._entropy(8)
        return head + self._tag(head)

    def take(self, nonce: bytes, now: datetime) -> None:
        """Spend a nonce. RefusedError `stale` when it is not ours, too old or was spent."""
        head, tag = nonce[:16], nonce[16:]
        if len(nonce) != 32 or not hmac.compare_digest(tag, self._tag(head)):
            raise _stale("this login was not asked for here")
        age = _microseconds(now) - int.from_bytes(head[:8], "big")
        if not 0 <= age <= self.lifetime // timedelta(microseconds=1):
            raise _stale("this login took too long")
        self._forget(now)
        if nonce in self._spent:
            raise _stale("this login was used already")
        if len(self._spent) >= MAX_SPENT:
            raise RefusedError("too many logins at once", reason="busy", advice="Try again in a minute.")
        self._spent[nonce] = now

    def _forget(self, now: datetime) -> None:
        while self._spent and next(iter(self._spent.values())) < now - self.lifetime:
            self._spent.popitem(last=False)

    def _tag(self, head: bytes) -> bytes:
        return hmac.new(self._secret, b"remote-assist login-nonce/1\0" + head, hashlib.sha256).digest()[:16]


def _stale(sentence: str) -> RefusedError:
    return RefusedError(sentence, reason="stale", advice="Log in again.")


def _microseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1_000_000)
