"""What a hostile relay or peer can try on SSH: T13 (prefix truncation), T14 (before login), T25 (other doors)."""

import asyncio
from collections.abc import Callable
from typing import Any

import asyncssh
import pytest

from remote_assist.core.requests import SUBSYSTEM
from remote_assist.core.signing.keys import private_bytes, public_line
from remote_assist.core.stream import Kind, build_frame, parse_frame
from remote_assist.errors import AssistError, RefusedError, RemoteProtocolError, VerificationError
from remote_assist.transport import ssh
from remote_assist.transport.channel import ClientConversation, open_channel
from remote_assist.transport.ssh import check_asyncssh_version, connect_to_agent, serve_technician
from tests.transport.splice import Tamper, spliced
from tests.transport.world import EchoDoors, Keys, World, connected, tunnels

SERVICE = b"\0\0\0\x0cssh-userauth"
MSG_SERVICE_REQUEST = 5
MSG_IGNORE, MSG_KEXINIT, MSG_NEWKEYS, MSG_CHANNEL_OPEN = 2, 20, 21, 90


class Meddler:
    """A relay that reads the byte stream of one side and rewrites it; offsets and acknowledgements stay right.

    `change` gets each SSH message before encryption (its number and whole packet) and answers what takes its place;
    after NEWKEYS, `later` gets each written piece as it is.
    """

    def __init__(
        self,
        whose: str,
        change: Callable[[int, bytes], bytes],
        *,
        later: Callable[[bytes], bytes] = lambda raw: raw,
    ) -> None:
        self.whose = whose
        self._change = change
        self._later = later
        self._buffer = b""
        self._encrypted = self._greeted = False
        self._read = self._written = self._told = 0
        self.seen: list[int] = []

    def __call__(self, who: str, raw: bytes) -> bytes | None:
        frame = parse_frame(raw, max_payload=1 << 20)
        if who != self.whose:
            return build_frame(
                frame.kind, frame.stream, frame.epoch, frame.offset, self._own_count(frame.ack), (frame.payload,)
            )
        payload, offset = bytes(frame.payload), self._written
        if frame.kind is Kind.DATA:
            self._read += len(payload)
            payload = self._rewrite(payload)
            self._written += len(payload)
            if not payload:
                return None
        return build_frame(frame.kind, frame.stream, frame.epoch, offset, frame.ack, (payload,))

    def _own_count(self, ack: int) -> int:
        """An acknowledgement of rewritten bytes, in bytes as they were sent."""
        self._told = min(max(self._told, ack - (self._written - self._read)), self._read)
        return self._told

    def _rewrite(self, raw: bytes) -> bytes:
        self._buffer += raw
        out = b""
        if not self._greeted and b"\n" in self._buffer:
            line, _, self._buffer = self._buffer.partition(b"\n")
            out, self._greeted = line + b"\n", True
        while self._greeted and not self._encrypted and len(self._buffer) >= 6:
            length = 4 + int.from_bytes(self._buffer[:4], "big")
            if len(self._buffer) < length:
                break
            packet, self._buffer = self._buffer[:length], self._buffer[length:]
            self.seen.append(packet[5])
            out += self._change(packet[5], packet)
            self._encrypted = packet[5] == MSG_NEWKEYS
        if self._encrypted:
            out += self._later(self._buffer)
            self._buffer = b""
        return out


def _packet(payload: bytes) -> bytes:
    padding = 8 - (5 + len(payload)) % 8 + 8
    return (1 + len(payload) + padding).to_bytes(4, "big") + bytes([padding]) + payload + bytes(padding)


async def _attempt(tamper: Tamper | None) -> tuple[object, object, EchoDoors]:
    """What connecting ended with at the technician and at the agent."""
    async with spliced(tamper) as splice:
        keys, doors = Keys(), EchoDoors()
        ends = await tunnels(splice)
        outcomes = await asyncio.gather(
            connect_to_agent(
                ends[0], session_key=keys.session, host_key_line=public_line(keys.host), deadline_seconds=3
            ),
            serve_technician(
                ends[1], host_key=keys.host, authorised=lambda line: True, doors=doors, deadline_seconds=3
            ),
            return_exceptions=True,
        )
        for one in outcomes:
            if isinstance(one, (asyncssh.SSHClientConnection, asyncssh.SSHServerConnection)):
                one.close()
        await asyncio.gather(*(end.closed() for end in ends))
        return outcomes[0], outcomes[1], doors


async def test_the_meddler_itself_lets_an_untouched_connection_pass() -> None:
    meddler = Meddler("agent", lambda number, packet: packet)
    client, server, _ = await _attempt(meddler)
    assert isinstance(client, asyncssh.SSHClientConnection)
    assert isinstance(server, asyncssh.SSHServerConnection)
    assert meddler.seen[0] == MSG_KEXINIT
    assert meddler.seen[-1] == MSG_NEWKEYS


def slip_ignore(number: int, packet: bytes) -> bytes:
    """An IGNORE message before NEWKEYS: the first half of Terrapin."""
    return _packet(bytes([MSG_IGNORE, 0, 0, 0, 0])) + packet if number == MSG_NEWKEYS else packet


@pytest.mark.parametrize("side", ["technician", "agent"])
async def test_the_slipped_message_would_pass_without_strict_key_exchange(
    side: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control of the tests below: it is strict key exchange that stops the meddler, not a clumsy meddler."""
    _without_strict(monkeypatch, asyncssh.SSHClientConnection)
    _without_strict(monkeypatch, asyncssh.SSHServerConnection)
    monkeypatch.setattr(ssh, "_is_strict", lambda connection: True)
    client, server, _ = await _attempt(Meddler(side, slip_ignore))
    assert isinstance(client, asyncssh.SSHClientConnection)
    assert isinstance(server, asyncssh.SSHServerConnection)


def _say(*outcomes: object) -> str:
    """Both ends failed; what they said."""
    assert all(isinstance(one, AssistError) for one in outcomes)
    return " / ".join(str(one) for one in outcomes)


@pytest.mark.parametrize("side", ["technician", "agent"])
async def test_t13_a_message_slipped_in_before_new_keys_ends_the_connection(side: str) -> None:
    client, server, _ = await _attempt(Meddler(side, slip_ignore))
    assert "Strict key exchange violation" in _say(client, server)


async def test_t13_a_dropped_first_encrypted_message_is_noticed() -> None:
    """Without strict key exchange this is Terrapin: IGNORE in, EXT_INFO out, and the counters agree again."""
    dropped: list[bytes] = []

    def drop_first(raw: bytes) -> bytes:
        if raw and not dropped:
            dropped.append(raw)
            return b""
        return raw

    client, server, _ = await _attempt(Meddler("agent", lambda number, packet: packet, later=drop_first))
    assert dropped
    assert "MAC verification failed" in _say(client, server)


@pytest.mark.parametrize("side", ["technician", "agent"])
async def test_t13_strict_key_exchange_taken_out_of_the_offer_breaks_the_signature(side: str) -> None:
    def strip(number: int, packet: bytes) -> bytes:
        return packet.replace(b"kex-strict-", b"kex-absent-") if number == MSG_KEXINIT else packet

    client, server, _ = await _attempt(Meddler(side, strip))
    assert "Key exchange hash mismatch" in _say(client, server)


def _without_strict(monkeypatch: pytest.MonkeyPatch, kind: type) -> None:
    letter = b"c" if kind is asyncssh.SSHClientConnection else b"s"
    monkeypatch.setattr(kind, "_get_extra_kex_algs", lambda self: [b"ext-info-" + letter])


async def test_t13_an_agent_without_strict_key_exchange_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    _without_strict(monkeypatch, asyncssh.SSHServerConnection)
    client, _, _ = await _attempt(None)
    assert isinstance(client, VerificationError)
    assert "strict" in client.message


async def test_t13_a_technician_without_strict_key_exchange_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    _without_strict(monkeypatch, asyncssh.SSHClientConnection)
    _, server, _ = await _attempt(None)
    assert isinstance(server, RemoteProtocolError)
    assert "strict" in server.message


@pytest.mark.parametrize("version", ["2.23.1", "2.9.0", "1.30", "2", "nonsense"])
def test_t14_an_old_asyncssh_is_refused_with_the_way_out(version: str) -> None:
    with pytest.raises(AssistError) as refused:
        check_asyncssh_version(version)
    assert "pip install" in refused.value.advice


@pytest.mark.parametrize("version", ["2.24.0", "2.24.1", "2.30", "3.0.0"])
def test_t14_a_new_enough_asyncssh_is_taken(version: str) -> None:
    check_asyncssh_version(version)


@pytest.mark.parametrize("number", [MSG_SERVICE_REQUEST, 50, 80, MSG_CHANNEL_OPEN, 94, 98])
async def test_t14_requests_before_the_keys_end_the_connection(number: int) -> None:
    """Service, login, global and channel messages in clear, before NEWKEYS."""

    def slip(seen: int, packet: bytes) -> bytes:
        body = SERVICE if number == MSG_SERVICE_REQUEST else bytes(20)
        return packet + _packet(bytes([number]) + body) if seen == MSG_KEXINIT else packet

    client, server, doors = await _attempt(Meddler("technician", slip))
    said = _say(client, server)
    assert "before key exchange was complete" in said or "before kex complete" in said
    assert doors.ended == []


@pytest.mark.parametrize("number", [80, MSG_CHANNEL_OPEN])
async def test_t14_requests_before_login_end_the_connection(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that skips login: the message goes out encrypted as soon as the keys are there."""
    sent = asyncio.Event()
    original = asyncssh.SSHClientConnection.try_next_auth

    def skip(self: asyncssh.SSHClientConnection, **arguments: Any) -> None:
        if sent.is_set():
            original(self, **arguments)
            return
        sent.set()
        self._auth_complete = True  # the hostile client lies to itself
        self.send_packet(number, bytes(24))

    monkeypatch.setattr(asyncssh.SSHClientConnection, "try_next_auth", skip)
    client, server, doors = await _attempt(None)
    assert sent.is_set()
    assert "Invalid request before authentication was complete" in _say(client, server)
    assert doors.ended == []


async def test_t14_scp_sftp_shell_exec_and_other_subsystems_are_refused_with_status_126() -> None:
    async with connected() as world:
        for subsystem, command in (("sftp", None), ("other", None), (None, "scp -t /tmp"), (None, None)):
            done = await world.client.run(command, subsystem=subsystem, check=False, timeout=5)
            assert done.exit_status == 126
            assert str(done.stderr).startswith("remote-assist: ")
            assert done.stdout == ""
        shell = await world.client.run(check=False, timeout=5)
        assert "a shell without a terminal is not served" in str(shell.stderr)
        told = [door for door, _, _ in world.doors.told]
        assert told == ["sftp", "subsystem", "exec", "shell", "shell"]


async def test_t14_a_password_or_an_unsigned_login_never_gets_in() -> None:
    async with spliced() as splice:
        keys = Keys()
        technician, agent = await tunnels(splice)
        serving = asyncio.create_task(
            serve_technician(agent, host_key=keys.host, authorised=lambda line: True, doors=EchoDoors())
        )
        with pytest.raises(asyncssh.PermissionDenied):
            await asyncssh.connect(
                "agent",
                22,
                tunnel=technician,
                config=None,
                username="root",
                password="root",
                client_keys=None,
                agent_path=None,
                known_hosts=None,
                kex_algs=list(ssh.OWN_KEY_EXCHANGE),
            )
        with pytest.raises(AssistError):
            await serving
        await asyncio.gather(technician.closed(), agent.closed())


async def test_t14_a_certificate_does_not_get_in_even_by_the_right_ca() -> None:
    """The pinned session key as CA: its certificate for another key is no login."""
    async with spliced() as splice:
        keys, thief = Keys(), Keys()
        technician, agent = await tunnels(splice)
        ca = asyncssh.import_private_key(private_bytes(keys.session))
        own = asyncssh.import_private_key(private_bytes(thief.session))
        certificate = ca.generate_user_certificate(own.convert_to_public(), "thief", principals=["technician"])
        serving = asyncio.create_task(
            serve_technician(
                agent,
                host_key=keys.host,
                authorised=lambda line: line == public_line(keys.session),
                doors=EchoDoors(),
            )
        )
        with pytest.raises(asyncssh.PermissionDenied):
            await asyncssh.connect(
                "agent",
                22,
                tunnel=technician,
                config=None,
                username="technician",
                client_keys=[(own, certificate)],
                agent_path=None,
                known_hosts=None,
            )
        with pytest.raises(AssistError):
            await serving
        await asyncio.gather(technician.closed(), agent.closed())


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("encryption_algs", ["aes256-ctr"]),
        ("kex_algs", ["curve25519-sha256"]),
        ("kex_algs", ["diffie-hellman-group14-sha256"]),
    ],
)
async def test_t14_weaker_algorithms_are_not_negotiated(option: str, value: list[str]) -> None:
    weak: dict[str, Any] = {option: value}
    async with spliced() as splice:
        keys = Keys()
        technician, agent = await tunnels(splice)
        serving = asyncio.create_task(
            serve_technician(agent, host_key=keys.host, authorised=lambda line: True, doors=EchoDoors())
        )
        with pytest.raises(asyncssh.KeyExchangeFailed):
            await asyncssh.connect(
                "agent", 22, tunnel=technician, config=None, agent_path=None, known_hosts=None, **weak
            )
        with pytest.raises(AssistError):
            await serving
        await asyncio.gather(technician.closed(), agent.closed())


async def _told(world: World, count: int = 1) -> list[tuple[str, str]]:
    async with asyncio.timeout(5):
        while len(world.doors.told) < count:
            await asyncio.sleep(0.005)
    assert all(key == public_line(world.keys.session) for _, _, key in world.doors.told)
    return [(door, detail) for door, detail, _ in world.doors.told]


async def _refused(opening: object) -> None:
    with pytest.raises(asyncssh.ChannelOpenError) as refused:
        await opening  # type: ignore[misc]
    assert refused.value.code == asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED
    assert "forwarding is not part of this session" in refused.value.reason


async def test_t25_direct_tcpip_is_refused_and_told() -> None:
    async with connected() as world:
        await _refused(world.client.open_connection("127.0.0.1", 22))
        assert await _told(world) == [("forward", "127.0.0.1:22")]


async def test_t25_a_unix_socket_is_refused_and_told() -> None:
    async with connected() as world:
        await _refused(world.client.open_unix_connection("/run/docker.sock"))
        assert await _told(world) == [("socket", "/run/docker.sock")]


async def test_t25_tun_and_tap_are_refused_and_told() -> None:
    async with connected() as world:
        await _refused(world.client.open_tun(0))
        await _refused(world.client.open_tap(0))
        assert await _told(world, 2) == [("tun", "0"), ("tap", "0")]


async def test_t25_listening_is_refused_and_told() -> None:
    async with connected() as world:
        for opening in (
            world.client.forward_remote_port("127.0.0.1", 0, "127.0.0.1", 22),
            world.client.forward_remote_path("/tmp/remote-assist-test.sock", "/tmp/x"),
        ):
            with pytest.raises(asyncssh.ChannelListenError):
                await opening
        assert await _told(world, 2) == [("listen", "127.0.0.1:0"), ("listen", "/tmp/remote-assist-test.sock")]


@pytest.mark.parametrize(
    ("request_name", "body", "door"),
    [
        (b"auth-agent-req@openssh.com", b"", "agent"),
        (b"x11-req", b"\0\0\0\0\x12MIT-MAGIC-COOKIE-1\0\0\0\x04abcd\0\0\0\0", "x11"),
    ],
)
async def test_t25_agent_and_x11_forwarding_are_refused_and_told(request_name: bytes, body: bytes, door: str) -> None:
    async with connected() as world:
        channel, _ = await world.client.create_session(ClientConversation, subsystem=SUBSYSTEM, encoding=None)
        assert await asyncio.wait_for(channel._make_request(request_name, body), 5) is False
        assert await _told(world) == [(door, "")]


async def test_t25_the_technicians_program_serves_no_channel_to_the_agent() -> None:
    async with connected() as world:
        with pytest.raises(asyncssh.ChannelOpenError):
            await world.server.open_agent_connection()
        with pytest.raises(asyncssh.ChannelOpenError):
            await world.server.create_x11_connection(asyncssh.SSHTCPSession)
        with pytest.raises(asyncssh.ChannelOpenError):
            await world.server.create_connection(asyncssh.SSHTCPSession, "127.0.0.1", 22)


async def test_only_so_many_channels_open_at_once() -> None:
    async with connected(max_channels=2) as world:
        first, _second = await open_channel(world.client), await open_channel(world.client)
        with pytest.raises(RefusedError, match="at most 2 channels"):
            await open_channel(world.client)
        await first.close()
        await open_channel(world.client)
