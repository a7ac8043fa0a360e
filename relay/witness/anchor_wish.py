"""`remote-assist-relay anchor`: an operator wants the checkpoint anchored now; the relay that serves does it.

    word ─▶ anchor-now ─▶ (relay tries every witness) ─▶ anchor-NAME.json answers with the same word

Rule: this program touches neither the database nor a witness; a relay that does not serve is told so.
"""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

from relay.storage.data_folder import replace_file
from relay.witness.anchors import ANCHOR_NOW, read_standing
from remote_assist.core.log.anchoring import Standing
from remote_assist.errors import UnreachableError, UsageError
from remote_assist.settings import RelaySettings

LOOK_SECONDS = 0.1
AFTER_DEADLINE_SECONDS = 10.0


def anchor_now(
    settings: RelaySettings, word: str, *, sleep: Callable[[float], None] = time.sleep
) -> Iterator[tuple[str, Standing]]:
    """Each anchor with how it stands after its try, as they are done.

    Raises UsageError when no anchor is set, UnreachableError when the relay does not answer in time.
    """
    if not settings.anchors:
        raise UsageError(
            "the settings file names no anchors", advice="Add a table [anchors.NAME]: docs/operations/audit.md."
        )
    deadline = max(one.deadline_seconds for one in settings.anchors.values()) + AFTER_DEADLINE_SECONDS
    waiting, end = sorted(settings.anchors), time.monotonic() + deadline
    try:
        replace_file(settings.data / ANCHOR_NOW, f"{word}\n".encode())
        while waiting:
            for name in _answered(settings.data, waiting, word):
                waiting.remove(name)
                yield name, read_standing(settings.data, name)
            if waiting and time.monotonic() > end:
                raise UnreachableError(
                    f"the relay has not tried {', '.join(waiting)} within {deadline:g} s",
                    advice="See whether it serves from this folder: remote-assist-relay check --wait 5 --data DIR.",
                )
            if waiting:
                sleep(LOOK_SECONDS)
    finally:
        (settings.data / ANCHOR_NOW).unlink(missing_ok=True)


def _answered(data: Path, waiting: list[str], word: str) -> list[str]:
    return [name for name in waiting if read_standing(data, name).asked == word]
