"""The agent's next start: what an earlier run left open is settled, closed and delivered; what is old is removed.

    for each session folder nobody holds:
      restarted fix    → verified now; else as the next line    (signed by the journal key, as all that follows)
      half-applied fix → the customer decides: undo, or leave
      no end record    → the end is written: the agent stopped
      undelivered      → offered to the relay, which takes it by the journal key
      30 days ended    → removed

Rule 1: consent, session key and host key of that run are gone; nothing here lets a technician in.
Rule 2: a journal that does not verify is left as it is and named; nothing is added to it.
"""

import asyncio
import contextlib
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from remote_assist.agent.control import Control, Identity
from remote_assist.agent.elevation import is_root, root_again
from remote_assist.agent.fixes.settling import settle
from remote_assist.agent.fixes.undo_journal import UndoFile, open_undo_files
from remote_assist.agent.fixes.verifying_later import helped_after_restart
from remote_assist.agent.gate import Gate
from remote_assist.agent.hops.requests import load_hops
from remote_assist.agent.keeper import Keeper
from remote_assist.agent.machine import Machine, own_places
from remote_assist.agent.record.recorder import Recorder
from remote_assist.agent.record.uploads import Uploads
from remote_assist.agent.shelf import Shelf
from remote_assist.agent.surroundings import Surroundings
from remote_assist.agent.texts import say
from remote_assist.audit.journal import Journal
from remote_assist.audit.journal_files import JOURNAL_KEY
from remote_assist.audit.spool import Spool
from remote_assist.core.catalog.packs import PackTrust
from remote_assist.core.codec import decode
from remote_assist.core.hostile import HostileStr
from remote_assist.core.log.opening import log_keys_of, pack_trust_of
from remote_assist.core.log.sealing import new_content_key
from remote_assist.core.messages import SignedStatement
from remote_assist.core.prompt import Prompt
from remote_assist.core.record_codes import CODES
from remote_assist.core.records import Actor, Outcome, Record, RecordDraft, decode_record, parse_time
from remote_assist.core.room import concludes
from remote_assist.core.signing.keys import PrivateKey, load_private
from remote_assist.core.wishes import parse_hop
from remote_assist.diagnostics.verifying import Restarted
from remote_assist.errors import AssistError, UsageError
from remote_assist.transport.folder_lock import FolderLock, hold_folder, remove_held_folder
from remote_assist.transport.local_target import LocalTarget
from remote_assist.transport.private_files import read_private

MAX_FOLDERS = 50
"""Sessions looked at in one start."""

DELIVERY_SECONDS = 3.0
"""How long one old session may take to be delivered; the rest waits for the next start."""

STOPPED = "agent-stopped"
PROGRAM = HostileStr("remote-assist")
"""Who asks for a password when no technician is there any more."""


async def recover(around: Surroundings, prompt: Prompt) -> None:
    """Settle what earlier runs left. Never raises: a session that cannot be settled is named and left for later."""
    for folder in sorted((around.home.path / "sessions").iterdir())[:MAX_FOLDERS]:
        lock = hold_folder(folder) if folder.is_dir() else None
        if lock is None:
            continue
        try:
            await _recover(around, prompt, folder, lock)
        except (AssistError, OSError) as error:
            why = error.message if isinstance(error, AssistError) else str(error.strerror)
            prompt.show(say("recover.failed", session=folder.name, why=why))
        finally:
            lock.release()


@dataclass(frozen=True, slots=True)
class LeftOver:
    """A session as an earlier run left it."""

    journal: Journal
    records: list[Record]
    key: PrivateKey | None

    @property
    def id(self) -> str:
        return self.journal.session

    @property
    def relay(self) -> str:
        """The origin of the relay it ran through."""
        opening = self.records[0].opening
        return "" if opening is None else decode(opening.statement, SignedStatement).relay

    def log_keys(self, ca_line: str) -> tuple[str, ...]:
        """The log keys on the lists the session began with."""
        opening = self.records[0].opening
        return () if opening is None else log_keys_of(opening.lists, ca_line)

    def pack_trust(self, around: Surroundings) -> PackTrust:
        """Who might sign packs by the lists the session began with."""
        opening, known = self.records[0].opening, around.home.relay(self.relay)
        return PackTrust() if opening is None or known is None else pack_trust_of(opening.lists, known.ca)

    @property
    def incomplete(self) -> list[str]:
        """Actions that were begun and have no outcome: what they did is not known."""
        ended = {one.action for one in self.records if concludes(one.code)}
        begun = (one for one in self.records if CODES[one.code].is_intent and one.action not in ended)
        return [
            " ".join(filter(None, (CODES[one.code].sentence, one.program or one.catalog, *one.paths[:3])))
            for one in begun
        ]

    def title(self, undo: UndoFile) -> str:
        """What the fix of an action was called in the records."""
        names = [record.catalog for record in self.records if record.action == undo.action and record.catalog]
        return names[0].partition("@")[0] if names else undo.action


async def _recover(around: Surroundings, prompt: Prompt, folder: Path, lock: FolderLock) -> None:
    try:
        journal = Journal.reopen(folder, clock=around.clock)
    except UsageError:
        return  # a session that was never opened: its journal is empty
    records = [decode_record(stored.record) for stored, _ in journal.records()]
    left = LeftOver(journal, records, _key_in(folder))
    if left.key is None:
        await journal.close()
        if _is_old(around, records):
            remove_held_folder(folder, lock)
        return
    recorder = _recorder(around, left)
    if not journal.ended:
        prompt.show(say("recover.found", session=left.id))
        if journal.torn:
            prompt.show(say("recover.torn", session=left.id, torn=journal.torn))
        for what in left.incomplete:
            prompt.show(say("recover.incomplete", what=what))
        await _settle_and_end(around, prompt, left, recorder)
    uploads = await _deliver(around, left, recorder)
    if not recorder.undelivered and not uploads.undelivered:
        await journal.close()  # which destroys the journal key


async def _settle_and_end(around: Surroundings, prompt: Prompt, left: LeftOver, recorder: Recorder) -> None:
    off_limits = own_places(around.home.path)
    machine = Machine(LocalTarget(off_limits), left.id, off_limits)
    keeper = Keeper(left.id, around.moment)
    gate = Gate(machine, keeper, recorder, link_up=lambda: False, show=prompt.show)
    await gate.end_survivors()
    services = "" if around.services is None else str(around.services.resolve())
    shelf = Shelf(around.clock, around.home.path, left.pack_trust(around), around.services)
    for undo in open_undo_files(left.journal.folder):
        restarted = Restarted.of(undo.records)
        if restarted and await helped_after_restart(gate, prompt, undo, restarted, shelf, left.title(undo)):
            continue
        await _settle(around, prompt, gate, left, undo, services)
    draft = RecordDraft(
        code="RA1990E",
        actor=Actor(kind="agent"),
        outcome=Outcome(status="ended", reason=STOPPED),
        sizes={"incomplete": len(left.incomplete)} if left.incomplete else {},
    )
    await recorder.append(draft)


async def _settle(
    around: Surroundings, prompt: Prompt, gate: Gate, left: LeftOver, undo: UndoFile, services: str
) -> None:
    """Ask about one half-applied fix. A machine behind this one is reached again first; else it is asked next time."""
    limits, title = around.settings.pairing, left.title(undo)
    if undo.as_root and not is_root():
        what = say("what.undo", fix=title)
        async with root_again(prompt, what, own_places(around.home.path)) as reach:
            await settle(gate, prompt, undo, title, services, limits, reach)
        return
    if not undo.place:
        await settle(gate, prompt, undo, title, services, limits)
        return
    hops = load_hops(left.id, PROGRAM, prompt, around.home.path, around.settings)
    try:
        await settle(gate, prompt, undo, title, "", limits, lambda: hops.reach(parse_hop(undo.place), None))
    finally:
        hops.close()


async def _deliver(around: Surroundings, left: LeftOver, recorder: Recorder) -> Uploads:
    """Offer what the relay lacks, if it is the relay of now and its log key is known."""
    uploads = _uploads(left, recorder)
    if left.key is None or left.relay != around.origin or not (recorder.undelivered or uploads.undelivered):
        return uploads
    control = Control(
        Identity(left.id, around.origin, left.key),
        recorder,
        dial=lambda: around.dial("/v1/agent"),
        on_stream=lambda offer: None,
        on_change=lambda up: None,
        uploads=uploads,
    )
    running = asyncio.create_task(control.run())
    try:
        await recorder.settle(DELIVERY_SECONDS)
        await uploads.settle(DELIVERY_SECONDS)
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError, AssistError):
            await running
    return uploads


def _uploads(left: LeftOver, recorder: Recorder) -> Uploads:
    """The chunks of an earlier run that the relay lacks: they are still on this disk."""
    spool = Spool(left.journal.folder)
    uploads = Uploads(spool, left.id, acknowledged=recorder.is_acknowledged)
    recorder.on_acknowledged = uploads.wake
    held = spool.held()
    for record in left.records:
        if record.stored and record.stored in held:
            uploads.offer(record.seq, record.stored)
    return uploads


def _recorder(around: Surroundings, left: LeftOver) -> Recorder:
    known = around.home.relay(left.relay)
    log_keys = () if known is None else left.log_keys(known.ca)
    left.journal.open_for(log_keys)
    recorder = Recorder(
        left.journal,
        session=left.id,
        log_keys=log_keys,
        content_key=new_content_key(around.entropy),
        wraps=[],
        entropy=around.entropy,
        deadline_seconds=around.settings.acknowledgement_deadline_seconds,
        seals=False,
    )
    recorder.take_over(left.journal.unacknowledged())
    return recorder


def _key_in(folder: Path) -> PrivateKey | None:
    try:
        return load_private(read_private(folder / JOURNAL_KEY))
    except FileNotFoundError:
        return None


def _is_old(around: Surroundings, records: list[Record]) -> bool:
    kept = timedelta(days=around.settings.journal_days)
    return bool(records) and parse_time(records[-1].time) + kept < around.clock()
