"""Files of a machine behind the agent's: list a folder, read a file, bring a file, over SFTP. One action each.

Rule 1: a link is never followed at the last step of a path; the machine itself decides about those before it. Rule 2: a
file that is brought appears only whole and checked, under a name of its own until then.
"""

import hashlib
import os

from remote_assist.agent.actions import Ending, list_action, read_action, write_action
from remote_assist.agent.conversation import Caller
from remote_assist.agent.gate import Running
from remote_assist.agent.machine import Machine
from remote_assist.agent.requests_files import (
    LISTING_ENTRIES,
    MAX_ENTRIES,
    PIECE_BYTES,
    checked_target,
    entry_of,
    gather_input,
)
from remote_assist.core.requests import ListFolder, Listing, ReadFile, WriteFile
from remote_assist.errors import AssistError, RefusedError, RemoteProtocolError, UsageError
from remote_assist.transport.posix_files import split_path
from remote_assist.transport.ssh_hop import SshHop
from remote_assist.transport.ssh_hop_files import IncomingFile, OutgoingFile


async def list_folder(caller: Caller, request: ListFolder) -> None:
    """Entries of a folder, in parts; of a file, that one."""
    split_path(request.path)

    async def work(machine: Machine, running: Running) -> Ending:
        entries = await _hop(machine).list(os.fsdecode(request.path), max_entries=MAX_ENTRIES + 1)
        truncated, entries = len(entries) > MAX_ENTRIES, entries[:MAX_ENTRIES]
        await caller.accept(running, size=len(entries))
        for start in range(0, len(entries), LISTING_ENTRIES):
            part = tuple(entry_of(status) for status in entries[start : start + LISTING_ENTRIES])
            await caller.channel.send(Listing(entries=part, truncated=truncated))
        return Ending(size=len(entries), truncated=truncated, sizes={"entries": len(entries)})

    await caller.finish(await caller.perform(list_action(request.path), work))


async def read_file(caller: Caller, request: ReadFile) -> None:
    """The bytes of a regular file; a read that broke off begins anew."""
    split_path(request.path)
    if request.offset < 0:
        raise UsageError("a file is not read from before its beginning")

    async def work(machine: Machine, running: Running) -> Ending:
        source = await OutgoingFile.open(_hop(machine), os.fsdecode(request.path))
        digest, sent = hashlib.sha256(), 0
        try:
            await caller.accept(running, size=source.size)
            while piece := await source.read(PIECE_BYTES):
                await running.go_on()
                digest.update(piece)
                await caller.channel.send_data(piece)
                sent += len(piece)
                running.partial = Ending(size=sent, sizes={"bytes": sent})
        finally:
            await source.close()
        value = digest.hexdigest()
        return Ending(
            size=sent,
            sha256=value,
            truncated=sent < source.size,
            sizes={"bytes": sent, "size": sent},
            sealed={"sha256": value.encode()},
        )

    await caller.finish(await caller.perform(read_action(request.path, 0), work))


async def write_file(caller: Caller, request: WriteFile) -> None:
    """A new or replaced file, which appears only whole and checked."""
    path = checked_target(request)

    async def work(machine: Machine, running: Running) -> Ending:
        incoming = await IncomingFile.open(_hop(machine), os.fsdecode(path), overwrite=request.overwrite)
        try:
            return await _receive(caller, running, incoming, request)
        finally:
            await incoming.discard()

    action = write_action(path, request.size, request.sha256, request.mode)
    await caller.finish(await caller.perform(action, work))


async def _receive(caller: Caller, running: Running, incoming: IncomingFile, request: WriteFile) -> Ending:
    digest, held = hashlib.sha256(), 0
    await caller.accept(running, size=request.size)
    while raw := await gather_input(caller.input):
        await running.go_on()
        held += len(raw)
        if held > request.size:
            raise RemoteProtocolError("more bytes came than the file was said to have")
        digest.update(raw)
        await incoming.write(raw)
        running.partial = Ending(size=held, sizes={"bytes": held})
    if held < request.size:
        raise AssistError(f"only {held} of {request.size} bytes came; nothing was kept")
    if digest.hexdigest() != request.sha256:
        raise AssistError("what came is not the file that was announced; nothing was kept")
    running.require()
    await incoming.commit(mode=request.mode)
    return Ending(
        size=held,
        sha256=request.sha256,
        sizes={"bytes": held, "size": held},
        sealed={"sha256": request.sha256.encode()},
    )


def _hop(machine: Machine) -> SshHop:
    if not isinstance(machine.target, SshHop):
        raise RefusedError("files of that machine are only looked at, not moved", reason="no-such-door")
    return machine.target
