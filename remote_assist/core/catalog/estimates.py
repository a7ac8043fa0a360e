"""How long a bundle will take and how large it will be, before it is collected: from how its collectors fared before.

Rule: a guess is said to be one; what no earlier bundle tells is taken from what is usual.
"""

from collections.abc import Container, Mapping
from dataclasses import dataclass

from remote_assist.core.catalog.model import Bundle, Collector

USUAL_SECONDS, USUAL_BYTES = 0.15, 1500
"""Of a collector nobody has seen yet."""

SLOW: Mapping[str, tuple[float, int]] = {
    "big_folders": (15.0, 2000),
    "pending_updates": (6.0, 1000),
    "packages": (0.2, 85_000),
    "certificates": (0.7, 2000),
    "services": (0.6, 2000),
    "autostart": (1.0, 1000),
    "config_files": (0.1, 8000),
    "log_digest": (0.2, 40_000),
    "app_logs": (0.1, 10_000),
}
"""Collector → seconds and bytes, for those that are far from usual (measured on small Debian servers)."""

PACKED = 0.25
"""Facts compress to about a quarter."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """`seconds` and `size_bytes` (packed) as expected, and the limits that are never passed. `seen`: of how many
    collectors an earlier bundle told, of `items`."""

    items: int
    seen: int
    seconds: float
    size_bytes: int
    at_most_seconds: float
    at_most_bytes: int


def estimate(
    bundle: Bundle,
    collectors: Mapping[str, Collector],
    earlier: Mapping[str, tuple[float, int]],
    struck: Container[str] = (),
) -> Estimate:
    """`earlier`: collector → seconds and bytes in an earlier bundle of the same machine; `struck` ones do not run."""
    known = [name for name in dict.fromkeys(bundle.collectors) if name in collectors and name not in struck]
    expected = [earlier.get(name) or SLOW.get(name, (USUAL_SECONDS, USUAL_BYTES)) for name in known]
    total, longest = sum(seconds for seconds, _ in expected), max((seconds for seconds, _ in expected), default=0.0)
    return Estimate(
        items=len(known),
        seen=sum(name in earlier for name in known),
        seconds=round(min(bundle.timeout_seconds, max(longest, total / max(1, bundle.parallel))), 1),
        size_bytes=int(min(bundle.max_bytes, sum(size for _, size in expected) * PACKED)),
        at_most_seconds=bundle.timeout_seconds,
        at_most_bytes=bundle.max_bytes,
    )
