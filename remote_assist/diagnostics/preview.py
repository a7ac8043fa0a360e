"""What a bundle runs and reads on a machine, before it does: the list the customer sees and strikes from.

Rule: the list for Linux is complete. A test runs every collector and fails for a command or file that is not on it.
"""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache

from remote_assist.core.catalog.model import Catalog, Collector
from remote_assist.core.catalog.preview import PreviewItem
from remote_assist.diagnostics.catalog_section import near
from remote_assist.diagnostics.collectors_linux.clutter import PLACES
from remote_assist.diagnostics.collectors_linux.configuration import FILES, FOLDERS
from remote_assist.diagnostics.collectors_linux.reads import READS
from remote_assist.errors import UsageError

BUILTIN_READS: Mapping[str, tuple[str, ...]] = {
    **READS,
    "config_files": (*FILES, *FOLDERS, *(f"{folder}/*" for folder in FOLDERS)),
    "clutter": ("$ du -skx -- **", "$ df -P -- **", *PLACES.values()),
    "trend": ("the samples `remote-assist watch` keeps in its own folder",),
}
POWERSHELL_CHARS = 200
NOT_LISTED = "several programs of this system, which are not listed one by one yet"
"""What is said of the builtins for macOS: they were not run on one yet."""


def preview(catalog: Catalog, bundle: str, platform: str) -> list[PreviewItem]:
    """Every item of a bundle in its order. Raises UsageError for a bundle there is not."""
    if bundle not in catalog.bundles:
        raise UsageError(f"there is no bundle '{bundle[:60]}'{near(bundle, list(catalog.bundles))}")
    collectors = [catalog.collectors[name] for name in dict.fromkeys(catalog.bundles[bundle].collectors)]
    return [
        PreviewItem(each.id, each.title, each.sensitivity, reads)
        for each in collectors
        if (reads := reads_of(each, platform))
    ]


def reads_of(collector: Collector, platform: str) -> tuple[str, ...]:
    """Commands (`$ …`), files and folders of a collector on a platform; none where it does not exist there."""
    for implementation in collector.implementations:
        if implementation.platform != platform:
            continue
        if implementation.command is not None:
            return (f"$ {' '.join(implementation.command.argv)}",)
        if implementation.powershell:
            return (f"$ powershell: {' '.join(implementation.powershell.split())[:POWERSHELL_CHARS]}",)
        if platform != "linux" and implementation.builtin != "trend":
            return (NOT_LISTED,)
        return BUILTIN_READS.get(implementation.builtin, ())
    return ()


def is_listed(what: str, reads: Iterable[str]) -> bool:
    """Whether a path, or a command as `$ words`, is among what a list allows. `*`: one name or word; `**`: anything."""
    return any(_pattern(each).fullmatch(what) for each in reads)


def checked_items(names: Iterable[str], catalog: Catalog) -> frozenset[str]:
    """Items somebody wants left out. Raises UsageError for one there is not, with the nearest."""
    wanted = frozenset(names)
    for name in sorted(wanted):
        if name not in catalog.collectors:
            raise UsageError(f"there is no item '{name[:60]}'{near(name, list(catalog.collectors))}")
    return wanted


@lru_cache(maxsize=2048)
def _pattern(text: str) -> re.Pattern[str]:
    one = r"[^ ]*" if text.startswith("$ ") else r"[^/]*"
    pieces = re.split(r"(\*\*|\*)", text)
    return re.compile("".join({"**": r"[\s\S]*", "*": one}.get(each, re.escape(each)) for each in pieces))
