"""What may come through an SSH connection to the agent: the doors, who decides about each, and the default no.

Rule 1: every door leads to `Doors`, which the agent implements behind its gate. Nothing is served from here.
Rule 2: a door that stays shut is still told of (`refused`), so that there is a record.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

from remote_assist.core.hostile import safe_text
from remote_assist.core.requests import SUBSYSTEM
from remote_assist.errors import AssistError, RefusedError, UnreachableError
from remote_assist.transport.channel import SEND_HIGH_BYTES, MessageChannel, new_server_channel
from remote_assist.transport.ssh_library import asyncssh
from remote_assist.transport.streams import STREAM_INFO, StreamTransport

REFUSED_STATUS = 126
"""Exit status of a program or subsystem that was not started."""

FEED_HIGH_BYTES, FEED_LOW_BYTES = 1 << 20, 256 << 10
ENVIRONMENT_NAMES = ("TERM", "LANG")
ENVIRONMENT_PREFIX = "LC_"
MAX_ENVIRONMENT_VALUE = 256

NO_TERMINAL = "a shell without a terminal is not served"
SHUT = {
    "agent": "forwarding of your ssh-agent (-A) is not part of this session; it was refused",
    "x11": "forwarding of X11 (-X) is not part of this session; it was refused",
    "listen": "listening on the customer's computer (-R) is not part of this session; it was refused",
}
"""What is said of doors for whose refusal SSH itself has no words: on standard error of what runs next."""

NO_FORWARD = "forwarding is not part of this session"


class RemoteProgram:
    """The channel of an exec, shell or sftp request, as the agent sees it: three byte streams and an environment."""

    def __init__(self, channel: Any) -> None:
        self._channel = channel
        self._term = ""
        self._feed: deque[bytes] = deque()
        self._fed_bytes = 0
        self._paused = False
        self._ended = False
        self._arrived = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()
        self.gone = asyncio.Event()
        self.on_signal: Callable[[str], None] | None = None
        """Called with the name of each signal the peer sends (TERM, INT, …)."""
        self.on_resize: Callable[[int, int], None] | None = None
        """Called with columns and rows when the peer's window changes."""
        self.has_terminal = False
        """Whether the peer asked for a terminal (a pty)."""
        self.columns, self.rows = 80, 24

    @property
    def environment(self) -> Mapping[str, str]:
        """What the peer asked for, of TERM, LANG and LC_* only."""
        asked = dict(self._channel.get_environment())
        return allowed_environment({**asked, "TERM": self._term} if self._term else asked)

    def terminal_asked(self, term: str, columns: int, rows: int) -> None:
        self.has_terminal, self._term = True, term
        self.resized(columns, rows)

    def resized(self, columns: int, rows: int) -> None:
        self.columns, self.rows = columns, rows
        if self.on_resize is not None:
            self.on_resize(columns, rows)

    async def read(self) -> bytes:
        """The next bytes of standard input; empty at its end or when the peer is gone."""
        while not self._feed:
            if self._ended or self.gone.is_set():
                return b""
            self._arrived.clear()
            await self._arrived.wait()
        raw = self._feed.popleft()
        self._fed_bytes -= len(raw)
        if self._paused and self._fed_bytes <= FEED_LOW_BYTES:
            self._paused = False
            self._channel.resume_reading()
        return raw

    @property
    def channel(self) -> Any:
        """The SSH channel itself, for a protocol that is spoken on it (transport/sftp.py)."""
        return self._channel

    async def drained(self) -> None:
        """Wait until the peer has taken enough of what was written."""
        await self._writable.wait()
        stream = None if self.gone.is_set() else self._channel.get_extra_info(STREAM_INFO)
        if isinstance(stream, StreamTransport):
            with contextlib.suppress(UnreachableError):
                await stream.drained()

    async def write(self, raw: bytes, *, error: bool = False) -> None:
        """Send to standard output (or `error`), at the peer's pace. Raises UnreachableError when it is gone."""
        if self.gone.is_set():
            raise UnreachableError("the other end closed the channel")
        try:
            self._channel.write(raw, asyncssh.EXTENDED_DATA_STDERR if error else None)
        except OSError as fault:
            raise UnreachableError("the other end closed the channel") from fault
        await self.drained()

    def feed(self, raw: bytes) -> None:
        self._feed.append(raw)
        self._fed_bytes += len(raw)
        if self._fed_bytes > FEED_HIGH_BYTES and not self._paused:
            self._paused = True
            self._channel.pause_reading()
        self._arrived.set()

    def feed_end(self) -> None:
        self._ended = True
        self._arrived.set()

    def lost(self) -> None:
        self.gone.set()
        self._arrived.set()
        self._writable.set()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()


class Opening(Protocol):
    """A forwarded connection that is asked for and not open yet."""

    gone: asyncio.Event
    """Set when the peer no longer waits for it."""

    async def accept(self) -> RemoteProgram:
        """Tell the peer that it is open; answer its bytes. Raises UnreachableError when nobody is there any more."""


class Doors(Protocol):
    """What the agent decides. `peer_key` is the public key line that was authenticated.

    Raising RefusedError shows its sentence on standard error and ends with status 126.
    """

    async def subsystem(self, name: str, channel: MessageChannel, peer_key: str) -> None:
        """Hold the whole conversation of one `remote-assist` channel; the channel closes when this returns."""

    async def exec(self, command: str, program: RemoteProgram, peer_key: str) -> int:
        """Run one command line of a stock client; answer its exit status."""

    async def shell(self, program: RemoteProgram, peer_key: str) -> int:
        """Serve a terminal."""

    async def sftp(self, program: RemoteProgram, peer_key: str) -> int:
        """Serve the sftp subsystem."""

    async def forward(self, host: str, port: int, opening: Opening, peer_key: str) -> None:
        """Carry one connection to `host` (hostile) and `port`; `opening.accept` once the other end is connected."""

    async def connected(self, key_exchange: str, client: str, peer_key: str) -> None:
        """A client logged in; `client` is what it calls itself. No door opens before this returned."""

    async def refused(self, door: str, detail: str, peer_key: str) -> None:
        """A shut door was tried: forward, listen, socket, tun, tap, x11, agent, subsystem. `detail` is hostile."""


class ClosedDoors:
    """Every door shut. The agent inherits it and opens what its gate can hold."""

    async def subsystem(self, name: str, channel: MessageChannel, peer_key: str) -> None:
        await self.refused("subsystem", name, peer_key)
        raise RefusedError(f"there is no subsystem {safe_text(name, max_chars=64)} here", reason="no-such-door")

    async def exec(self, command: str, program: RemoteProgram, peer_key: str) -> int:
        await self.refused("exec", command, peer_key)
        raise RefusedError("commands are not allowed in this session", reason="out-of-scope")

    async def shell(self, program: RemoteProgram, peer_key: str) -> int:
        await self.refused("shell", "", peer_key)
        raise RefusedError(NO_TERMINAL, reason="no-such-door")

    async def sftp(self, program: RemoteProgram, peer_key: str) -> int:
        await self.refused("sftp", "", peer_key)
        raise RefusedError(
            "sftp is not served by this version", reason="no-such-door", advice="Use `remote-assist get` and `put`."
        )

    async def forward(self, host: str, port: int, opening: Opening, peer_key: str) -> None:
        await self.refused("forward", f"{host}:{port}", peer_key)
        raise RefusedError(NO_FORWARD, reason="no-such-door")

    async def connected(self, key_exchange: str, client: str, peer_key: str) -> None:
        """Nothing to tell anybody; the agent writes a record here."""

    async def refused(self, door: str, detail: str, peer_key: str) -> None:
        """Nothing to tell anybody; the agent writes a record here."""


class DoorSession(asyncssh.SSHServerSession[bytes]):
    """One session channel at the agent: waits for what is asked, then gives it to the right door."""

    def __init__(
        self,
        doors: Doors,
        peer_key: str,
        tasks: set[asyncio.Task[None]],
        closed: Callable[[], None],
        admitted: Callable[[], Awaitable[None]],
        unsaid: list[str],
    ) -> None:
        """`unsaid`: sentences that wait for a channel on which they can be said; taken by the first."""
        self._doors = doors
        self._admitted = admitted
        self._unsaid = unsaid
        self._peer_key = peer_key
        self._tasks = tasks
        self._closed = closed
        self._asked = ("shell", "")
        self._channel: Any = None
        self._program: RemoteProgram | None = None
        self._conversation: MessageChannel | None = None

    def connection_made(self, chan: Any) -> None:
        chan.set_write_buffer_limits(high=SEND_HIGH_BYTES)
        self._channel = chan
        self._program = RemoteProgram(chan)

    def exec_requested(self, command: str) -> bool:
        self._asked = ("exec", command)
        return True

    def shell_requested(self) -> bool:
        self._asked = ("shell", "")
        return True

    def subsystem_requested(self, subsystem: str) -> bool:
        self._asked = ("subsystem", subsystem)
        if subsystem == SUBSYSTEM:
            self._conversation = new_server_channel()
            self._conversation.attach(self._channel)
        return True

    def pty_requested(self, term_type: str, term_size: tuple[int, int, int, int], term_modes: Any) -> bool:
        """A terminal is given to whoever asks; what may run there is for the door to say."""
        assert self._program is not None
        self._program.terminal_asked(term_type, term_size[0], term_size[1])
        return True

    def terminal_size_changed(self, width: int, height: int, pixwidth: int, pixheight: int) -> None:
        assert self._program is not None
        self._program.resized(width, height)

    def session_started(self) -> None:
        task = asyncio.get_running_loop().create_task(self._serve(), name=f"door {self._asked[0]}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def data_received(self, data: bytes, datatype: int | None) -> None:
        self._ear.feed(data)

    def eof_received(self) -> bool:
        self._ear.feed_end()
        return True

    def signal_received(self, signal: str) -> None:
        if self._program is not None and self._program.on_signal is not None:
            self._program.on_signal(signal)

    def connection_lost(self, exc: Exception | None) -> None:
        self._closed()
        if self._conversation is not None:
            self._conversation.lost(exc)
        if self._program is not None:
            self._program.lost()

    def pause_writing(self) -> None:
        self._ear.pause_writing()

    def resume_writing(self) -> None:
        self._ear.resume_writing()

    @property
    def _ear(self) -> MessageChannel | RemoteProgram:
        if self._conversation is not None:
            return self._conversation
        assert self._program is not None
        return self._program

    async def _serve(self) -> None:
        """Go through the door; whatever happens there, the channel ends with a status and a sentence."""
        status, sentence = 1, "the agent failed at this request"
        try:
            status, sentence = await self._go(), ""
        except RefusedError as error:
            status, sentence = REFUSED_STATUS, error.message
            if error.advice:
                sentence += f"\n  {error.advice}"
        except AssistError as error:
            status, sentence = 1, error.message
        finally:
            self._finish(status, sentence)

    async def _go(self) -> int:
        kind, text = self._asked
        assert self._program is not None
        await self._admitted()
        if self._conversation is not None:
            await self._doors.subsystem(text, self._conversation, self._peer_key)
            return 0
        while self._unsaid:
            self._say(self._unsaid.pop(0))
        match kind, text:
            case "exec", command:
                return await self._doors.exec(command, self._program, self._peer_key)
            case "shell", _:
                return await self._doors.shell(self._program, self._peer_key)
            case "subsystem", "sftp":
                return await self._doors.sftp(self._program, self._peer_key)
        await self._doors.refused("subsystem", text, self._peer_key)
        raise RefusedError(f"there is no subsystem {safe_text(text, max_chars=64)} here", reason="no-such-door")

    def _finish(self, status: int, sentence: str) -> None:
        if self._channel.is_closing():
            return
        if sentence:
            self._say(sentence)
        self._channel.exit(status)

    def _say(self, sentence: str) -> None:
        end = "\r\n" if self._program is not None and self._program.has_terminal else "\n"
        self._channel.write(f"remote-assist: {sentence}{end}".encode(), asyncssh.EXTENDED_DATA_STDERR)


def allowed_environment(asked: Mapping[str, str]) -> dict[str, str]:
    """What of a peer's environment may reach a program: TERM, LANG, LC_*, printable ASCII, short."""
    return {
        name: value
        for name, value in asked.items()
        if (name in ENVIRONMENT_NAMES or (name.startswith(ENVIRONMENT_PREFIX) and name[3:].isalpha()))
        and len(value) <= MAX_ENVIRONMENT_VALUE
        and value.isascii()
        and value.isprintable()
    }
