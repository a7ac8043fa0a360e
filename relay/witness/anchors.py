"""Hands each day's checkpoint to witnesses outside, keeps what they answered, and has the log say so.

    due, or an operator's `anchor-now` ─▶ current checkpoint ─▶ witness ─▶ receipt + RA2024E in one commit ─▶ standing

Rule 1: what a witness took and the record that says so are one commit; a receipt that cannot be kept counts as failed
and the witness is asked again.
Rule 2: how it stands is in `anchor-NAME.json`, for `check` and for the next start; it can be removed at any time.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import msgspec
import structlog
from sqlalchemy import Connection, insert

from relay.log.chains import Chains
from relay.log.checkpoints import Checkpoints
from relay.storage.data_folder import replace_file
from relay.storage.schema import anchorings
from relay.storage.store import Store
from relay.trust import read_bounded
from relay.witness.witnesses import Receipt, Witness, open_witness
from remote_assist.core.checkpoint import Checkpoint
from remote_assist.core.log.anchoring import Schedule, Standing, anchored_draft, failed_draft
from remote_assist.errors import AssistError, AuditUnavailable
from remote_assist.settings import AnchorSettings

ANCHOR_NOW = "anchor-now"
"""File in the data folder: an operator wants a checkpoint anchored now; it holds a word of theirs."""

MAX_STANDING_BYTES = 4096
LOOK_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class AnchorFigures:
    """Seconds since the last success (-1: never), and tries that failed since."""

    age_seconds: float
    failures: int


class Anchor:
    """One `[anchors.NAME]`: a witness and how it stands with it."""

    def __init__(
        self,
        name: str,
        settings: AnchorSettings,
        witness: Witness,
        store: Store,
        checkpoints: Checkpoints,
        chains: Chains,
        data: Path,
        *,
        clock: Callable[[], datetime],
    ) -> None:
        self.name = name
        self._kind = settings.kind
        self._schedule = Schedule(settings.every_seconds, settings.retry_seconds, settings.retry_most_seconds)
        self._witness = witness
        self._store = store
        self._checkpoints = checkpoints
        self._chains = chains
        self._data = data
        self._clock = clock
        self.standing = read_standing(data, name)

    @property
    def figures(self) -> AnchorFigures:
        """How it stands now."""
        age = self.standing.age_seconds(self._clock())
        return AnchorFigures(-1.0 if age is None else age, self.standing.failures)

    async def work(self) -> None:
        """Anchor for ever."""
        while True:
            asked = await asyncio.to_thread(read_wish, self._data)
            if asked and asked != self.standing.asked:
                self.standing = replace(self.standing, asked=asked)
                await self._try()
            elif self._checkpoints.current.size and self.standing.is_due(self._schedule, self._clock()):
                await self._try()
            await asyncio.sleep(LOOK_SECONDS)

    async def _try(self) -> None:
        checkpoint = self._checkpoints.current
        try:
            receipt = await self._witness.give(checkpoint)
            await self._keep(checkpoint, receipt)
        except (AssistError, OSError) as error:
            cause = error.message if isinstance(error, AssistError) else str(error)
            structlog.get_logger("anchors").warning("anchor-failed", anchor=self.name, cause=cause)
            self.standing = self.standing.failed(cause, self._clock())
            await self._tell()
        else:
            structlog.get_logger("anchors").info("anchored", anchor=self.name, size=checkpoint.size)
            self.standing = self.standing.succeeded(checkpoint.size, self._clock())
        try:
            raw = msgspec.json.encode(self.standing) + b"\n"
            await asyncio.to_thread(replace_file, self._data / f"anchor-{self.name}.json", raw)
        except OSError as error:
            structlog.get_logger("anchors").warning("standing-not-kept", anchor=self.name, cause=error.strerror)

    async def _keep(self, checkpoint: Checkpoint, receipt: Receipt) -> None:
        draft = anchored_draft(
            self.name,
            self._kind,
            receiver=self._witness.receiver,
            note=checkpoint.note,
            size=checkpoint.size,
            receipt=receipt.raw,
            stamped=receipt.stamped,
        )

        def work(connection: Connection) -> None:
            given = self._chains.write_in(connection, draft)
            row = {"record": given.index, "anchor": self.name, "kind": self._kind, "time": given.time}
            row |= {"receiver": self._witness.receiver, "size": checkpoint.size}
            connection.execute(insert(anchorings), row | {"checkpoint": checkpoint.note, "receipt": receipt.raw})

        await self._store.write(work)
        self._chains.notice()

    async def _tell(self) -> None:
        """Once in an outage, as a record of the relay's own."""
        if not self.standing.is_to_be_told:
            return
        try:
            await self._chains.write(failed_draft(self.name, self.standing))
        except AuditUnavailable:
            return
        self.standing = replace(self.standing, told=True)


def open_anchors(
    wanted: Mapping[str, AnchorSettings],
    store: Store,
    checkpoints: Checkpoints,
    chains: Chains,
    data: Path,
    *,
    clock: Callable[[], datetime],
) -> tuple[Anchor, ...]:
    """The anchors of a settings file."""
    return tuple(
        Anchor(name, one, open_witness(one), store, checkpoints, chains, data, clock=clock)
        for name, one in wanted.items()
    )


def read_standing(data: Path, name: str) -> Standing:
    """How it stood last; as at the beginning when nothing readable is there."""
    try:
        return msgspec.json.decode(read_bounded(data / f"anchor-{name}.json", MAX_STANDING_BYTES), type=Standing)
    except (FileNotFoundError, msgspec.DecodeError, AssistError):
        return Standing()


def read_wish(data: Path) -> str:
    """The word in `anchor-now`, or nothing."""
    try:
        return read_bounded(data / ANCHOR_NOW, MAX_STANDING_BYTES).decode("ascii", "replace").strip()
    except (OSError, AssistError):
        return ""
