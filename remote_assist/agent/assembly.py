"""Puts one session together: journal, recorder, gate, control connection, doors and what each request leads to."""

import os
import time
from collections.abc import Mapping
from typing import cast

from remote_assist.agent.chat import Chat
from remote_assist.agent.control import Control, Identity
from remote_assist.agent.conversation import Executor
from remote_assist.agent.doors import AgentDoors
from remote_assist.agent.elevation import Elevation
from remote_assist.agent.gate import Gate
from remote_assist.agent.hops.requests import HopRequests
from remote_assist.agent.keeper import Keeper
from remote_assist.agent.machine import Machine, own_places
from remote_assist.agent.record.disk_watch import DiskWatch
from remote_assist.agent.record.log_watch import LogWatch
from remote_assist.agent.record.recorder import Recorder
from remote_assist.agent.record.recordings import Policy, Recordings
from remote_assist.agent.record.uploads import Uploads
from remote_assist.agent.requests.chat import ChatRequests
from remote_assist.agent.requests.diagnostics import DiagnosticRequests
from remote_assist.agent.requests.disclose import disclose
from remote_assist.agent.requests.files import FileRequests, list_folder, write_file
from remote_assist.agent.requests.fix import FixRequests
from remote_assist.agent.requests.log import LogRequests
from remote_assist.agent.requests.many_files import ManyFiles, list_many
from remote_assist.agent.requests.run import run_program
from remote_assist.agent.requests.screen import ScreenRequests
from remote_assist.agent.requests.session import SessionRequests
from remote_assist.agent.requests.share import ShareRequests
from remote_assist.agent.requests.shell import ShellRequests
from remote_assist.agent.session import Session
from remote_assist.agent.session_facts import ENDED_BY_TICKET, SessionFacts
from remote_assist.agent.shelf import Shelf
from remote_assist.agent.surroundings import Surroundings, disk_marks
from remote_assist.agent.texts import say
from remote_assist.agent.token_map import TokenMap
from remote_assist.audit.journal import Journal
from remote_assist.audit.log_memory import LogMemory
from remote_assist.audit.spool import Spool
from remote_assist.core.catalog.packs import PackTrust
from remote_assist.core.hostile import HostileStr
from remote_assist.core.identity.lists import TrustedLists
from remote_assist.core.identity.statement import VerifiedTechnician
from remote_assist.core.log.sealing import ContentKey, new_content_key, wrap
from remote_assist.core.messages import Message, Wrap
from remote_assist.core.prompt import Prompt
from remote_assist.core.requests import (
    ApplyFix,
    AskStatus,
    Attach,
    Collect,
    Disclose,
    EndSession,
    EstimateLook,
    FollowChat,
    ListFolder,
    ListMany,
    OpenShell,
    PlanFix,
    ReadFile,
    ReadMany,
    RequestScopes,
    Run,
    SayChat,
    Share,
    ShowCheckpoint,
    TakeScreenshot,
    UseMachine,
    WriteFile,
)
from remote_assist.errors import AuditUnavailable, VerificationError
from remote_assist.transport.folder_lock import hold_folder
from remote_assist.transport.local_target import LocalTarget


def shelf_for(technician: VerifiedTechnician, around: Surroundings, prompt: Prompt) -> Shelf:
    """What this agent looks with in a session of this technician: the packs their organisation vouches for."""
    packs = technician.lists.packs
    return Shelf(
        around.clock,
        around.home.path,
        PackTrust(packs.keys, packs.revoked),
        around.services,
        TokenMap(around.home.path, around.entropy),
        around.struck,
        tell=lambda pack: prompt.show(say("pack.refused", why=pack.why_not)),
    )


def assemble(facts: SessionFacts, around: Surroundings, prompt: Prompt, shelf: Shelf | None = None) -> Session:
    """A session that is ready to start. `shelf`: the one the customer was shown; without it another one like it.

    Raises AuditUnavailable when its journal cannot be made, VerificationError when nothing could be sealed.
    """
    lists = facts.technician.lists
    content_key = new_content_key(around.entropy)
    wraps = _wraps(content_key, lists)
    journal = Journal.create(around.home.session_folder(facts.id), facts.id, facts.host_key, clock=around.clock)
    lock = hold_folder(journal.folder)
    if lock is None:
        raise AuditUnavailable("another program holds this session's journal", reason="held")
    journal.open_for(lists.organisation.signing_keys)
    recorder = Recorder(
        journal,
        session=facts.id,
        log_keys=lists.organisation.signing_keys,
        content_key=content_key,
        wraps=wraps,
        entropy=around.entropy,
        deadline_seconds=around.settings.acknowledgement_deadline_seconds,
    )
    uploads = Uploads(Spool(journal.folder), facts.id, acknowledged=recorder.is_acknowledged)
    recorder.on_acknowledged = uploads.wake
    keeper = Keeper(facts.id, around.moment)
    off_limits = own_places(around.settings.home)
    machine = Machine(LocalTarget(off_limits), facts.id, off_limits)
    memory = LogMemory(around.home.path, around.origin, lists.organisation.signing_keys, clock=around.clock)
    log = LogWatch(memory, tell=lambda fault: prompt.show(say("live.log-differs", fault=fault)))
    control = Control(
        Identity(facts.id, around.origin, facts.host_key),
        recorder,
        dial=lambda: around.dial("/v1/agent"),
        on_stream=lambda offer: session.offered(offer),
        on_change=lambda up: session.link_changed(up),
        on_ticket_closed=lambda: session.end.now(ENDED_BY_TICKET),
        on_list=lambda signed: session.on_list(signed),
        log=log,
        uploads=uploads,
    )
    gate = Gate(
        machine,
        keeper,
        recorder,
        link_up=lambda: control.up,
        show=prompt.show,
        check_acting=lambda key: session.people.check_acting(key),
        pace=lambda: control.within_grace(around.settings.outage_grace_seconds),
    )
    disk = DiskWatch(
        journal.folder,
        disk_marks(around.settings),
        grace_seconds=around.settings.outage_grace_seconds,
        relay_room=lambda: control.relay_room,
        show=prompt.show,
        seconds=time.monotonic,
    )
    gate.check_room = disk.check
    session = Session(
        facts,
        prompt=prompt,
        keeper=keeper,
        recorder=recorder,
        journal=journal,
        gate=gate,
        control=control,
        uploads=uploads,
        disk=disk,
        lock=lock,
        chat=Chat(prompt, facts.technician.certificate.name, recorder.append, around.clock),
        dial_stream=lambda ticket: around.dial(f"/v1/streams/{ticket}"),
    )
    recordings = Recordings(
        recorder,
        uploads,
        content_key,
        facts.id,
        around.entropy,
        Policy(
            around.settings.outage_grace_seconds,
            around.settings.record_input,
            around.settings.keep_bundles,
            around.settings.keep_files,
            around.settings.keep_bytes,
        ),
    )
    shells = ShellRequests(recordings, around.shell, around.clock)
    share = ShareRequests(session)
    shelf = shelf or shelf_for(facts.technician, around, prompt)
    session.on_packs = shelf.trust_only
    executors = _executors(session, around, shelf, LogRequests(session, control, log), shells, recordings, share)
    session.serve(AgentDoors(gate, session.people, executors, around.shell, shells, receive=share.receive))
    return session


def _wraps(content_key: ContentKey, lists: TrustedLists) -> list[Wrap]:
    """The content key for every reviewer. Raises VerificationError for a key that nothing can be sealed to."""
    try:
        return [wrap(content_key, reviewer) for reviewer in lists.reviewers.keys]
    except ValueError as error:
        raise VerificationError(
            "the organisation's reviewers' list holds a key that cannot be used, so nothing could be sealed",
            where="reviewers",
            advice="The organisation must sign a new list of reviewers' keys.",
        ) from error


def _executors(
    session: Session,
    around: Surroundings,
    shelf: Shelf,
    log: LogRequests,
    shells: ShellRequests,
    recordings: Recordings,
    share: ShareRequests,
) -> Mapping[type[Message], Executor]:
    """Request → what serves it. A request that is not here is refused by the codec before it comes so far."""
    about = SessionRequests(session, shelf)
    chat = ChatRequests(session.chat, session.people.name_of)
    diagnostics = DiagnosticRequests(
        shelf,
        recordings,
        session.prompt if around.ask_each else None,
        around.settings.pairing.consent_deadline_seconds,
    )
    elevation = Elevation(
        session.gate,
        session.prompt,
        HostileStr(session.facts.technician.certificate.name),
        own_places(around.home.path),
    )
    hops = HopRequests(session, around.home.path)
    fixes = FixRequests(session, shelf, elevation, hops.reach, ask_each=around.ask_each)
    table = {
        Run: run_program,
        OpenShell: shells.open,
        ListFolder: list_folder,
        ReadFile: FileRequests(recordings).read,
        ListMany: list_many,
        ReadMany: ManyFiles(recordings).read,
        WriteFile: write_file,
        UseMachine: hops.use_machine,
        Collect: diagnostics.collect,
        PlanFix: fixes.plan,
        ApplyFix: fixes.apply,
        TakeScreenshot: ScreenRequests(session).take,
        RequestScopes: about.request_scopes,
        AskStatus: about.status,
        EstimateLook: diagnostics.estimate,
        ShowCheckpoint: log.compare,
        SayChat: chat.say,
        FollowChat: chat.follow,
        Disclose: disclose,
        Share: share.share,
        Attach: share.already_in,
        EndSession: about.end,
    }
    return cast("Mapping[type[Message], Executor]", table)  # each executor takes exactly its key's message


def customers_shell() -> str:
    """The shell a stock client's command string is given to."""
    shell = os.environ.get("SHELL", "")
    return shell if shell.startswith("/") else "/bin/sh"
