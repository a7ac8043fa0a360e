"""What the technician's tests share: a log key that acknowledges, a session folder, an agent that follows a script."""

import asyncio
import hashlib
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from remote_assist.core.messages import Acknowledgement
from remote_assist.core.records import acknowledgement_bytes, format_time
from remote_assist.core.requests import Accepted, Done
from remote_assist.core.signing.keys import PrivateKey, new_key, private_bytes, public_line
from remote_assist.core.signing.sshsig import sign
from remote_assist.technician.conversation import Conversation, Ledger
from remote_assist.technician.session_folder import SessionFacts, SessionFolder
from remote_assist.transport.channel import MessageChannel, open_channel
from remote_assist.transport.doors import ClosedDoors
from remote_assist.transport.private_files import make_private_folder
from remote_assist.transport.ssh import connect_to_agent, serve_technician
from tests.transport.splice import spliced
from tests.transport.world import tunnels

NOW = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
SESSION = "s-aaaaaaaaaaaaaaaa"

Script = Callable[[MessageChannel], Awaitable[None]]


@dataclass
class Log:
    """A relay's log key."""

    key: PrivateKey = field(default_factory=lambda: new_key(secrets.token_bytes(32)))
    count: int = 0

    def acknowledge(self, session: str = SESSION) -> Acknowledgement:
        """The next acknowledgement, signed."""
        seq, self.count = self.count, self.count + 1
        digest, time = hashlib.sha256(bytes([seq])).hexdigest(), format_time(NOW)
        return Acknowledgement(
            session=session,
            seq=seq,
            hash=digest,
            time=time,
            index=seq,
            signature=sign(self.key, "ack", acknowledgement_bytes(session, seq, digest, time, seq)),
        )

    def accepted(self, **fields: object) -> Accepted:
        return Accepted(action="1", acknowledgement=self.acknowledge(), **fields)  # type: ignore[arg-type]  # a test

    def done(self, **fields: object) -> Done:
        return Done(**{"action": "1", "status": "done", **fields})  # type: ignore[arg-type]  # a test


def session_folder(path: Path, *, seconds: int = 1800, certificate_seconds: int = 43200) -> SessionFolder:
    """A folder of an open session."""
    folder = SessionFolder(make_private_folder(path / SESSION))
    folder.write_keys(private_bytes(new_key(bytes(32))), bytes(32))
    folder.write(
        SessionFacts(
            session=SESSION,
            relay="http://127.0.0.1:8470",
            ticket="1",
            subject="Web server does not start",
            host_key=public_line(new_key(bytes(31) + b"1")),
            host_name="web-07",
            scopes=("diagnose",),
            certificate_fingerprint="SHA256:abc",
            opened=format_time(NOW),
            ends=format_time(NOW + timedelta(seconds=seconds)),
            certificate_ends=format_time(NOW + timedelta(seconds=certificate_seconds)),
        )
    )
    return folder


class ScriptedDoors(ClosedDoors):
    """An agent whose conversations follow a script."""

    def __init__(self, script: Script) -> None:
        self._script = script

    async def subsystem(self, name: str, channel: MessageChannel, peer_key: str) -> None:
        await self._script(channel)


@asynccontextmanager
async def talking(folder: SessionFolder, log: Log, script: Script) -> AsyncIterator[Conversation]:
    """A conversation over real SSH with an agent that follows `script`."""
    host, session = new_key(secrets.token_bytes(32)), new_key(secrets.token_bytes(32))
    async with spliced() as splice:
        ends = await tunnels(splice)
        client, server = await asyncio.gather(
            connect_to_agent(ends[0], session_key=session, host_key_line=public_line(host)),
            serve_technician(
                ends[1],
                host_key=host,
                authorised=lambda line: line == public_line(session),
                doors=ScriptedDoors(script),
            ),
        )
        try:
            channel = await open_channel(client)
            ledger = Ledger(SESSION, folder, [public_line(log.key)])
            yield Conversation(channel, ledger, deadline_seconds=5)
        finally:
            client.close()
            server.close()
            await asyncio.gather(*(end.closed() for end in ends))
