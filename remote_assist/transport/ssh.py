"""SSH between technician and agent with both keys pinned: the options of PROTOCOL 3 and nothing else.

Rule 1: the host key is the one of the pairing; there is no question, no known_hosts file, no second try.
Rule 2: the client's key is one plain key the agent named; certificates, passwords and agents are not offered.
Rule 3: strict key exchange is required of both ends (a peer that does not offer it is refused).
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, NoReturn

from remote_assist import __version__
from remote_assist.core.signing.keys import PrivateKey, private_bytes
from remote_assist.core.spoken import GREETING
from remote_assist.errors import AssistError, RefusedError, RemoteProtocolError, UnreachableError, VerificationError
from remote_assist.transport.channel import PACKET_BYTES, WINDOW_BYTES
from remote_assist.transport.doors import NO_FORWARD, SHUT, Doors, DoorSession
from remote_assist.transport.forwarding import ForwardOpening, serve_forward
from remote_assist.transport.ssh_library import asyncssh
from remote_assist.transport.streams import StreamTunnel

MINIMUM_ASYNCSSH = (2, 24)
"""2.23.0 and 2.23.1 had a path traversal in SCP and an unsafe user name substitution in server configurations."""

OWN_KEY_EXCHANGE = ("mlkem768x25519-sha256",)
"""Between our own programs: post-quantum hybrid only."""

STOCK_KEY_EXCHANGE = (*OWN_KEY_EXCHANGE, "curve25519-sha256")
"""What an agent takes when stock clients are let in (Debian 12's ssh has no ML-KEM)."""

CIPHERS = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "chacha20-poly1305@openssh.com")
"""Fastest first; all authenticate what they encrypt."""

REKEY_BYTES = 32 << 30
"""New keys after so many bytes: half of the 2^32 blocks of 16 bytes that RFC 4344 section 3.2 recommends at most."""

MAX_CHANNELS = 32
LOGIN_SECONDS = 20.0
USER_NAME = "technician"
HOST_NAME = "agent"

NOT_STRICT = "strict key exchange is required here; this client lacks it (CVE-2023-48795): update it"

_NOT_PINNED = "the agent's host key is not the one pinned at pairing"


def check_asyncssh_version(version: str) -> None:
    """Raise AssistError when this asyncssh is too old to be trusted with what we rely on."""
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    if len(numbers) < 2 or numbers < MINIMUM_ASYNCSSH:
        wanted = ".".join(map(str, MINIMUM_ASYNCSSH))
        raise AssistError(
            f"asyncssh {version} is installed, but {wanted} or newer is needed",
            advice=f"Install it with: pip install 'asyncssh>={wanted}'",
        )


check_asyncssh_version(asyncssh.__version__)


async def connect_to_agent(
    tunnel: StreamTunnel, *, session_key: PrivateKey, host_key_line: str, deadline_seconds: float = LOGIN_SECONDS
) -> asyncssh.SSHClientConnection:
    """An SSH connection to the agent that holds `host_key_line`, logged in with `session_key`.

    Raises VerificationError on another host key or a weaker key exchange, RefusedError when the agent does not
    take the key, UnreachableError when it does not answer. Nothing can override a mismatch.
    """
    try:
        async with asyncio.timeout(deadline_seconds):
            connection = await asyncssh.connect(
                HOST_NAME,
                22,
                tunnel=tunnel,
                config=None,
                username=USER_NAME,
                client_keys=[_own_key(session_key)],
                known_hosts=([asyncssh.import_public_key(host_key_line)], [], []),
                agent_path=None,
                agent_forwarding=False,
                preferred_auth="publickey",
                public_key_auth=True,
                password_auth=False,
                kbdint_auth=False,
                host_based_auth=False,
                disable_trivial_auth=True,
                gss_kex=False,
                gss_auth=False,
                kex_algs=list(OWN_KEY_EXCHANGE),
                login_timeout=deadline_seconds,
                client_version=GREETED_AS,
                **_SHARED,
            )
    except (TimeoutError, OSError, asyncssh.Error, AssistError) as error:
        _raise_for_client(error)
    _drop_ignores(connection)
    if not _is_strict(connection):
        connection.abort()
        raise VerificationError("the agent does not offer strict key exchange", where="ssh")
    return connection


async def serve_technician(
    tunnel: StreamTunnel,
    *,
    host_key: PrivateKey,
    authorised: Callable[[str], bool],
    doors: Doors,
    logged_in: Callable[[str], None] = lambda _line: None,
    stock_clients: bool = False,
    max_channels: int = MAX_CHANNELS,
    deadline_seconds: float = LOGIN_SECONDS,
) -> asyncssh.SSHServerConnection:
    """Serve one technician on this stream; returns once a key was authenticated that `authorised` (a public key
    line without comment) accepts; `logged_in` is told which, before anything else comes through. `wait_closed` of the
    answer waits for the end.

    Raises RefusedError when no such key came, UnreachableError when the peer went away or took too long.
    """
    server = TechnicianServer(authorised, doors, max_channels, logged_in)
    try:
        async with asyncio.timeout(deadline_seconds):
            return await asyncssh.connect_reverse(
                HOST_NAME,
                22,
                tunnel=tunnel,
                config=None,
                server_factory=lambda: server,
                server_host_keys=[_own_key(host_key)],
                authorized_client_keys=None,
                public_key_auth=True,
                password_auth=False,
                kbdint_auth=False,
                host_based_auth=False,
                gss_kex=False,
                gss_auth=False,
                agent_forwarding=False,
                x11_forwarding=False,
                allow_scp=False,
                allow_pty=True,
                line_editor=False,
                encoding=None,
                window=WINDOW_BYTES,
                max_pktsize=PACKET_BYTES,
                kex_algs=list(STOCK_KEY_EXCHANGE if stock_clients else OWN_KEY_EXCHANGE),
                login_timeout=deadline_seconds,
                server_version=GREETED_AS,
                **_SHARED,
            )
    except TimeoutError as error:
        raise UnreachableError("the technician's program did not log in in time") from error
    except asyncssh.PermissionDenied as error:
        raise RefusedError("the technician's key is not the one of the pairing", reason="key") from error
    except (OSError, asyncssh.Error) as error:
        _raise_for_bad_bytes(error)
        raise UnreachableError(f"the technician's program went away: {error}") from error


GREETED_AS = f"remote-assist_{__version__} {GREETING}"
"""How our programs greet; the minor they speak stands at its end (core/spoken.py)."""

_SHARED: dict[str, Any] = {
    "encryption_algs": list(CIPHERS),
    "compression_algs": None,
    "rekey_bytes": REKEY_BYTES,
    "keepalive_interval": 0,
    "tcp_keepalive": False,
}
"""What both ends say. SSH keepalives are off: the link below notices a dead network."""


class TechnicianServer(asyncssh.SSHServer):
    """The agent's side of one connection: who may log in, and a no with a record for what is not a session."""

    def __init__(
        self,
        authorised: Callable[[str], bool],
        doors: Doors,
        max_channels: int,
        logged_in: Callable[[str], None] = lambda _line: None,
    ) -> None:
        self._authorised = authorised
        self._logged_in = logged_in
        self._doors = doors
        self._max_channels = max_channels
        self._open_channels = 0
        self._offered_key = ""
        self._key_exchange = "unknown"
        self._telling: asyncio.Task[None] | None = None
        self._unsaid: list[str] = []
        self.peer_key = ""
        self.tasks: set[asyncio.Task[None]] = set()

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._connection = conn
        _drop_ignores(conn)
        self._listen_for_key_exchange(conn)
        # asyncssh asks no owner about these two; both methods are its public way to serve them
        for name, door in (("create_agent_listener", "agent"), ("attach_x11_listener", "x11")):
            setattr(conn, name, self._shut(door))

    def begin_auth(self, username: str) -> bool:
        if not _is_strict(self._connection):
            raise asyncssh.ProtocolError(NOT_STRICT)
        return True

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        self._offered_key = _line_of(key)
        return self._authorised(self._offered_key)

    def auth_completed(self) -> None:
        self.peer_key = self._offered_key
        self._logged_in(self.peer_key)

    def session_requested(self) -> Any:
        self._take_channel()
        return DoorSession(self._doors, self.peer_key, self.tasks, self._channel_closed, self._admitted, self._unsaid)

    def connection_requested(self, dest_host: str, dest_port: int, orig_host: str, orig_port: int) -> Any:
        self._take_channel()
        return self._forward(dest_host, dest_port)

    def unix_connection_requested(self, dest_path: str) -> Any:
        return self._refuse_channel("socket", dest_path)

    def tun_requested(self, unit: int | None) -> Any:
        return self._refuse_channel("tun", str(unit))

    def tap_requested(self, unit: int | None) -> Any:
        return self._refuse_channel("tap", str(unit))

    def server_requested(self, listen_host: str, listen_port: int) -> Any:
        return self._refuse_quietly("listen", f"{listen_host}:{listen_port}")

    def unix_server_requested(self, listen_path: str) -> Any:
        return self._refuse_quietly("listen", listen_path)

    async def _forward(self, host: str, port: int) -> ForwardOpening:
        opening = ForwardOpening(self._channel_closed)
        await self._admitted()
        serving = asyncio.create_task(serve_forward(self._doors, host, port, opening, self.peer_key))
        self.tasks.add(serving)
        serving.add_done_callback(self._forward_over)
        return await opening.served(serving)

    def _forward_over(self, serving: asyncio.Task[None]) -> None:
        self.tasks.discard(serving)
        if not serving.cancelled():
            serving.exception()  # it was told as the open failure, or ended the channel

    def _take_channel(self) -> None:
        if self._open_channels >= self._max_channels:
            raise asyncssh.ChannelOpenError(
                asyncssh.OPEN_RESOURCE_SHORTAGE, f"at most {self._max_channels} channels at once"
            )
        self._open_channels += 1

    async def _refuse_channel(self, door: str, detail: str) -> NoReturn:
        await self._doors.refused(door, detail, self.peer_key)
        raise asyncssh.ChannelOpenError(asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED, NO_FORWARD)

    async def _refuse_quietly(self, door: str, detail: str) -> bool:
        if SHUT[door] not in self._unsaid:
            self._unsaid.append(SHUT[door])
        await self._doors.refused(door, detail, self.peer_key)
        return False

    def _shut(self, door: str) -> Callable[..., Awaitable[None]]:
        async def refuse(*_arguments: object) -> None:
            await self._refuse_quietly(door, "")

        return refuse

    async def _admitted(self) -> None:
        """The connection was told of, once; whoever comes first tells, everybody waits for it."""
        if self._telling is None:
            client = str(self._connection.get_extra_info("client_version", ""))
            name = client.removeprefix("SSH-2.0-")
            self._telling = asyncio.ensure_future(self._doors.connected(self._key_exchange, name, self.peer_key))
        await asyncio.shield(self._telling)

    def _listen_for_key_exchange(self, connection: asyncssh.SSHServerConnection) -> None:
        """Learn which key exchange is chosen. asyncssh tells nobody, so its choice is listened to.

        Should its name for that vanish, records say "unknown", and a test says why.
        """
        choose = getattr(connection, "_choose_alg", None)
        if choose is None:
            return

        def choose_and_tell(kind: str, ours: Any, theirs: Any) -> bytes:
            chosen: bytes = choose(kind, ours, theirs)
            if kind == "key exchange":
                self._key_exchange = chosen.decode("ascii", "replace")
            return chosen

        setattr(connection, "_choose_alg", choose_and_tell)  # noqa: B010  # a private name, said plainly

    def _channel_closed(self) -> None:
        self._open_channels -= 1


def _drop_ignores(connection: asyncssh.SSHClientConnection | asyncssh.SSHServerConnection) -> None:
    """Send no IGNORE packet before every other one.

    asyncssh does so for ciphers whose next IV an eavesdropper can see (RFC 4251 section 9.3.1: CBC). There is none
    among CIPHERS, and each costs both ends as much as a small packet. Should asyncssh stop going through this public
    method, the packets are sent again, and nothing else changes.
    """
    send_packet = connection.send_packet

    def send(pkttype: int, *args: bytes, handler: Any = None) -> None:
        if pkttype != asyncssh.constants.MSG_IGNORE:
            send_packet(pkttype, *args, handler=handler)

    connection.send_packet = send  # type: ignore[method-assign]  # the one seam there is


def _own_key(key: PrivateKey) -> asyncssh.SSHKey:
    return asyncssh.import_private_key(private_bytes(key))


def _line_of(key: asyncssh.SSHKey) -> str:
    return " ".join(key.export_public_key("openssh").decode().split()[:2])


def _is_strict(connection: asyncssh.SSHClientConnection | asyncssh.SSHServerConnection) -> bool:
    """Whether the peer offered strict key exchange; asyncssh then resets sequence numbers and enforces the order.

    asyncssh has no public name for it. Should this one vanish, everybody is refused, and a test says why.
    """
    return bool(getattr(connection, "_strict_kex", False))


def _raise_for_client(error: Exception) -> NoReturn:
    """What went wrong on the way to the agent, in our words."""
    if isinstance(error, AssistError):
        raise error
    if isinstance(error, asyncssh.HostKeyNotVerifiable):
        raise VerificationError(
            _NOT_PINNED,
            where="ssh host key",
            advice="Somebody may be between you and the agent: end the session and pair again.",
        ) from error
    if isinstance(error, asyncssh.PermissionDenied):
        raise RefusedError("the agent does not take this session's key", reason="key") from error
    if isinstance(error, TimeoutError):
        raise UnreachableError("the agent did not answer in time") from error
    _raise_for_bad_bytes(error)
    raise UnreachableError(f"the agent cannot be reached: {error}") from error


def _raise_for_bad_bytes(error: Exception) -> None:
    """Somebody on the way changed, dropped or added bytes, or the peer is not what it should be."""
    if isinstance(error, (asyncssh.KeyExchangeFailed, asyncssh.MACError)):
        raise VerificationError(f"the SSH connection does not hold: {error}", where="ssh") from error
    if isinstance(error, asyncssh.ProtocolError):
        raise RemoteProtocolError(f"the other end broke the SSH protocol: {error}") from error
