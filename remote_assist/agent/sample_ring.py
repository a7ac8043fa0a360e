"""The samples of `watch` on the disk: a short ring of lines, the newest state, and the alarms that are open.

    HOME/watch/ring.jsonl      a sample a line, at most MAX_SAMPLES; rewritten whole when twice as many
    HOME/watch/latest.json     the machine as last seen
    HOME/watch/alarms.json     alarms raised and not cleared

Rule 1: files are 0600 and durable when a call returns; a line half written by a dying program is skipped.
Rule 2: a damaged file costs the past, never the present: it is set aside and watching begins anew.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import msgspec

from remote_assist.core.watching.alarms import OpenAlarm
from remote_assist.core.watching.samples import Latest, Sample
from remote_assist.core.watching.trends import trend_facts
from remote_assist.errors import AuditUnavailable
from remote_assist.transport.private_files import append_durably, make_private_folder, read_private, write_private

MAX_SAMPLES = 2016
"""A week, at one sample in five minutes."""

MAX_RING_BYTES = 32 << 20
T = TypeVar("T")


class SampleRing:
    """The ring of one state folder. Raises AuditUnavailable when something cannot be written."""

    def __init__(self, home: Path) -> None:
        self.folder = home / "watch"

    def samples(self) -> list[Sample]:
        """What is kept, oldest first."""
        return [each for line in self._raw("ring.jsonl").splitlines() if (each := _decoded(line, Sample)) is not None][
            -MAX_SAMPLES:
        ]

    def latest(self) -> Latest | None:
        """The machine as last seen, None before the first look."""
        return _decoded(self._raw("latest.json"), Latest)

    def alarms(self) -> dict[str, OpenAlarm]:
        """Key → open alarm."""
        return _decoded(self._raw("alarms.json"), dict[str, OpenAlarm]) or {}

    def add(self, sample: Sample, latest: Latest) -> list[Sample]:
        """Keep a sample and the state after it; answers what is kept now."""
        kept = [*self.samples(), sample][-MAX_SAMPLES:]
        with self._writing():
            make_private_folder(self.folder)
            raw = self._raw("ring.jsonl")
            if raw.count(b"\n") >= 2 * MAX_SAMPLES or (raw and not raw.endswith(b"\n")):
                write_private(self.folder / "ring.jsonl", b"".join(msgspec.json.encode(each) + b"\n" for each in kept))
            else:
                append_durably(self.folder / "ring.jsonl", msgspec.json.encode(sample) + b"\n")
            write_private(self.folder / "latest.json", msgspec.json.encode(latest))
        return kept

    def keep_alarms(self, alarms: dict[str, OpenAlarm]) -> None:
        """Remember what is open, so that it is told once."""
        with self._writing():
            write_private(self.folder / "alarms.json", msgspec.json.encode(alarms))

    def facts(self, now: float) -> dict[str, object] | None:
        """The facts `trend.*`; None where watch keeps no samples."""
        latest = self.latest()
        return None if latest is None else trend_facts(self.samples(), latest, now)

    def _raw(self, name: str) -> bytes:
        try:
            return read_private(self.folder / name, MAX_RING_BYTES)
        except FileNotFoundError:
            return b""

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise AuditUnavailable(
                f"the samples cannot be written: {error.strerror}", reason="store-failed", advice=f"See {self.folder}."
            ) from error


def _decoded(raw: bytes, kind: type[T]) -> T | None:
    try:
        return msgspec.json.decode(raw, type=kind) if raw else None
    except (msgspec.DecodeError, RecursionError):
        return None
