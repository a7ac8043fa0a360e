"""How fast one session may move bytes through the relay: a bucket that fills at a fixed rate. Pure.

Rule: a message always passes whole; when the bucket is in debt, the sender waits until it is filled again.
"""

BURST_SECONDS = 1.0
"""What a quiet session may send at once, in seconds of its rate."""

PORTION_SECONDS = 1 / 8
"""How long a session waits, at most, for the bytes that it was given at once beyond its rate."""


class Pace:
    """The bytes of one session, both directions and all its streams together. Times are of a steady clock."""

    def __init__(self, bytes_per_second: int, *, now: float) -> None:
        self._rate = bytes_per_second
        self._filled = bytes_per_second * BURST_SECONDS
        self._seen = now

    def portion(self, most: int) -> int:
        """How many bytes to take at once, at most `most`: what is typed beside a big copy shall not wait for long."""
        return min(most, int(self._rate * PORTION_SECONDS)) if self._rate else most

    def spend(self, size: int, now: float) -> float:
        """Take `size` bytes out. Returns the seconds to wait before the next message is read; 0 without a limit."""
        if self._rate == 0:
            return 0.0
        self._filled = min(self._rate * BURST_SECONDS, self._filled + (now - self._seen) * self._rate) - size
        self._seen = now
        return max(0.0, -self._filled / self._rate)
