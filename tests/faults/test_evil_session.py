"""A relay that lies during a session: nothing runs without its true, signed word, and it can speak for nobody (T9)."""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import asyncssh
import pytest
from aiohttp import web

from remote_assist.core.api import Records
from remote_assist.core.codec import decode, encode
from remote_assist.core.messages import (
    Acknowledged,
    Acknowledgement,
    Append,
    AppendRefused,
    Joined,
    RelayRefused,
    SessionClosed,
    StreamOffered,
    StreamOpened,
)
from remote_assist.core.records import acknowledgement_bytes, decode_record
from remote_assist.core.signing.keys import new_key, private_bytes
from remote_assist.core.signing.sshsig import sign
from remote_assist.errors import AssistError, UnreachableError, VerificationError
from remote_assist.technician.desk import Desk
from remote_assist.transport.link import Taker
from tests.faults.evil_relay import Data, Passage, flipped, text
from tests.faults.parties import PATIENCE_SECONDS, Parties, opened

Lie = Callable[[Acknowledgement], Sequence[Acknowledgement]]


class Acknowledging:
    """Replaces what the agent is told about its records."""

    def __init__(self, lie: Lie) -> None:
        self.lie = lie
        self.hits = 0

    async def __call__(self, passage: Passage) -> Sequence[Data]:
        if passage.road != "agent" or passage.to_relay:
            return [passage.data]
        message = passage.message()
        if not isinstance(message, Acknowledged):
            return [passage.data]
        self.hits += 1
        told = [one for true in message.acknowledgements for one in self.lie(true)]
        return [text(Acknowledged(acknowledgements=tuple(told)))] if told else []


def _unheard(kind: int, raw: bytes) -> None:
    """What the program printed is not what these tests are about."""


def _with(true: Acknowledgement, **changed: object) -> Acknowledgement:
    fields = {name: getattr(true, name) for name in true.__struct_fields__}
    return Acknowledgement(**{**fields, **changed})


def _signed_by_another_key(true: Acknowledgement) -> list[Acknowledgement]:
    raw = acknowledgement_bytes(true.session, true.seq, true.hash, true.time, true.index)
    return [_with(true, signature=sign(new_key(bytes(32)), "ack", raw))]


class Replaying:
    """Answers every record with the first acknowledgement that ever passed."""

    def __init__(self) -> None:
        self.first: Acknowledgement | None = None

    def __call__(self, true: Acknowledgement) -> list[Acknowledgement]:
        self.first = self.first or true
        return [self.first]


ACKNOWLEDGEMENT_LIES: dict[str, Callable[[], Lie]] = {
    "withheld": lambda: lambda true: [],
    "signed-by-another-key": lambda: _signed_by_another_key,
    "signature-changed": lambda: lambda true: [_with(true, signature=true.signature.replace("AAAA", "AAAB", 1))],
    "other-hash": lambda: lambda true: [_with(true, hash="0" * 64)],
    "other-index": lambda: lambda true: [_with(true, index=true.index + 1)],
    "other-time": lambda: lambda true: [_with(true, time=true.time.replace("20", "21", 1))],
    "other-session": lambda: lambda true: [_with(true, session="s-aaaaaaaaaaaaaaaa")],
    "later-record": lambda: lambda true: [_with(true, seq=true.seq + 1)],
    "replayed": Replaying,
}


async def _touch(parties: Parties, session: str, marker: Path) -> AssistError:
    """Try to run a program that leaves a mark; answer the error everybody is told."""
    async with await Desk.open(parties.desk_settings()) as desk:
        with pytest.raises(AssistError) as told:
            async with await desk.connect(session) as connected:
                await connected.run(("touch", str(marker)), on_output=_unheard)
    return told.value


@pytest.mark.parametrize("lie", ACKNOWLEDGEMENT_LIES)
async def test_without_the_true_acknowledgement_nothing_runs(parties: Parties, tmp_path: Path, lie: str) -> None:
    marker = tmp_path / "ran"
    async with opened(parties) as desk:
        session = await parties.session(desk)
        attack = parties.evil.tamper = Acknowledging(ACKNOWLEDGEMENT_LIES[lie]())
        if lie == "replayed":
            attack.lie(await _some_acknowledgement(parties, session))
        await _touch(parties, session, marker)
        assert attack.hits
        assert not marker.exists()


async def _some_acknowledgement(parties: Parties, session: str) -> Acknowledgement:
    async with await Desk.open(parties.desk_settings()) as desk:
        return (await desk.records(session))[0].acknowledgement


async def test_an_honest_run_leaves_its_mark(parties: Parties, tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    async with opened(parties) as desk:
        session = await parties.session(desk)
        async with await desk.connect(session) as connected:
            assert (await connected.run(("touch", str(marker)), on_output=_unheard)).status == "done"
        assert marker.exists()


APPEND_LIES: dict[str, Callable[[Append], Sequence[Append]]] = {
    "dropped": lambda append: [],
    "record-changed": lambda append: [_appended(append, record=flipped(append.records[0].record, 60))],
    "head-changed": lambda append: [_appended(append, head=append.records[0].head.replace("AAAA", "AAAB", 1))],
}


def _appended(append: Append, **changed: object) -> Append:
    first = append.records[0]
    record = type(first)(**{"record": first.record, "head": first.head, **changed})  # type: ignore[arg-type]
    return Append(session=append.session, records=(record, *append.records[1:]), wraps=append.wraps)


@pytest.mark.parametrize("lie", APPEND_LIES)
async def test_records_lost_or_changed_on_the_way_stop_the_action(parties: Parties, tmp_path: Path, lie: str) -> None:
    marker = tmp_path / "ran"

    async def tamper(passage: Passage) -> Sequence[Data]:
        if passage.road == "agent" and passage.to_relay and isinstance(message := passage.message(), Append):
            return [text(one) for one in APPEND_LIES[lie](message)]
        return [passage.data]

    async with opened(parties) as desk:
        session = await parties.session(desk)
        parties.evil.tamper = tamper
        await _touch(parties, session, marker)
        assert not marker.exists()


@pytest.mark.parametrize("towards_agent", [True, False], ids=["towards the agent", "towards the technician"])
@pytest.mark.parametrize("change", ["flip", "drop", "twice", "swap"])
async def test_a_meddled_stream_dies_and_runs_nothing(
    parties: Parties, tmp_path: Path, towards_agent: bool, change: str
) -> None:
    marker = tmp_path / "ran"
    held: list[bytes] = []
    count = 0

    async def tamper(passage: Passage) -> Sequence[Data]:
        nonlocal count
        road = "agent-stream" if towards_agent else "stream"
        if passage.road != road or passage.to_relay or not isinstance(passage.data, bytes):
            return [passage.data]
        count += 1
        if count <= 6:
            return [passage.data]
        if change == "flip":
            return [flipped(passage.data, len(passage.data) - 3)]
        if change == "drop":
            return []
        if change == "twice":
            return [passage.data, passage.data]
        held.append(passage.data)
        return [held.pop(), held.pop()] if len(held) == 2 else []

    async with opened(parties) as desk:
        session = await parties.session(desk)
        parties.evil.tamper = tamper
        with contextlib.suppress(AssistError, TimeoutError):
            async with asyncio.timeout(4), await desk.connect(session) as connected:
                for number in range(8):
                    done = await connected.run(("true",), on_output=_unheard)
                    assert done.status == "done", number
                pytest.fail("a stream that was changed went on")
        assert count > 6
        assert not marker.exists()


async def test_the_relay_cannot_be_the_technician(parties: Parties, tmp_path: Path) -> None:
    """It dials the agent by a ticket of its own making and speaks SSH with a key of its own."""
    outcome: asyncio.Future[BaseException | None] = asyncio.get_running_loop().create_future()
    loop = asyncio.get_running_loop()

    async def be_the_technician(socket: web.WebSocketResponse) -> None:
        session = parties.evil_session
        await socket.send_str(text(StreamOpened(session=session, stream=77, epoch=1)))
        error = await _ssh_with_own_key(socket, session)
        loop.call_soon_threadsafe(outcome.set_result, error)

    async with opened(parties) as desk:
        parties.evil_session = session = await parties.session(desk)
        parties.evil.take_over["agent-stream"] = be_the_technician
        parties.evil.tell_agent(StreamOffered(session=session, stream=77, epoch=1, ticket="x" * 43))
        error = await asyncio.wait_for(outcome, PATIENCE_SECONDS)
        assert isinstance(error, asyncssh.PermissionDenied)
        records = await desk.records(session)
        assert [decode_record(one.record).code for one in records if decode_record(one.record).code.endswith("I")] == []


async def _ssh_with_own_key(socket: web.WebSocketResponse, session: str) -> BaseException | None:
    """SSH over frames by hand: what a relay with our own source code could do."""
    from remote_assist.transport.streams import StreamTunnel

    tunnel = StreamTunnel(_SocketLink(socket), stream=77, epoch=1)  # type: ignore[arg-type]  # a link of the relay's
    key = asyncssh.import_private_key(private_bytes(new_key(bytes(range(32)))))
    try:
        async with asyncio.timeout(8):
            await asyncssh.connect(
                "agent", tunnel=tunnel, known_hosts=None, client_keys=[key], username="technician", config=None,
                agent_path=None,
            )  # fmt: skip
    except (OSError, asyncssh.Error, TimeoutError) as error:
        return error
    return None


class _SocketLink:
    """The agent's dialled socket, seen from the relay, as a link."""

    is_writable = True

    def __init__(self, socket: web.WebSocketResponse) -> None:
        self._socket = socket
        self._unsent: asyncio.Queue[bytes] = asyncio.Queue()
        self._tasks = [asyncio.create_task(self._write())]

    def tell(self, taker: Taker) -> None:
        self._tasks.append(asyncio.create_task(self._read(taker)))

    def write(self, raw: bytes) -> None:
        self._unsent.put_nowait(raw)

    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...
    def abort(self) -> None: ...

    async def close(self) -> None:
        await asyncio.sleep(0.1)  # the last words
        await self._socket.close()
        for task in self._tasks:
            task.cancel()

    async def _write(self) -> None:
        while True:
            await self._socket.send_bytes(await self._unsent.get())

    async def _read(self, taker: Taker) -> None:
        link: Any = self
        async for message in self._socket:
            taker.arrived(link, message.data)
        taker.closed(link, UnreachableError("the socket was closed"))


async def test_the_relay_cannot_be_the_agent(parties: Parties) -> None:
    """It answers the technician's stream itself, with a host key of its own."""

    async def be_the_agent(socket: web.WebSocketResponse) -> None:
        from remote_assist.transport.doors import ClosedDoors
        from remote_assist.transport.ssh import serve_technician
        from remote_assist.transport.streams import StreamTunnel

        await socket.send_str(text(StreamOpened(session=parties.evil_session, stream=1, epoch=1)))
        tunnel = StreamTunnel(_SocketLink(socket), stream=1, epoch=1)  # type: ignore[arg-type]  # a link of the relay's
        with contextlib.suppress(AssistError, OSError, asyncssh.Error):
            server = await serve_technician(
                tunnel, host_key=new_key(bytes(32)), authorised=lambda line: True, doors=ClosedDoors()
            )
            await server.wait_closed()

    async with opened(parties) as desk:
        parties.evil_session = session = await parties.session(desk)
        parties.evil.take_over["stream"] = be_the_agent
        with pytest.raises(VerificationError, match="host key"):
            await asyncio.wait_for(desk.connect(session), PATIENCE_SECONDS)


@pytest.mark.parametrize("stream", [1, 0], ids=["a number already used", "no number"])
async def test_a_stream_number_that_does_not_rise_is_not_dialled(parties: Parties, stream: int) -> None:
    async with opened(parties) as desk:
        session = await parties.session(desk)
        async with await desk.connect(session) as connected:
            await connected.status()
        dialled = parties.evil.seen.get("agent-stream", 0)
        parties.evil.tell_agent(StreamOffered(session=session, stream=stream, epoch=1, ticket="y" * 43))
        async with await desk.connect(session) as connected:
            await connected.status()
        assert parties.evil.seen["agent-stream"] == dialled + 1


MESSAGES_FROM_NOWHERE = {
    "refused": RelayRefused(reason="\x1b[2J", sentence="\x1b]52;c;AAAA\x07 go on?", advice="\x9b31m"),
    "refused-append": AppendRefused(session="s-aaaaaaaaaaaaaaaa", seq=0, reason="fork", sentence="x"),
    "joined-again": Joined(records=0, relay_time="2026-01-01T00:00:00Z"),
    "closed": SessionClosed(session="s-aaaaaaaaaaaaaaaa"),
}


@pytest.mark.parametrize("name", MESSAGES_FROM_NOWHERE)
async def test_whatever_the_relay_says_out_of_turn_no_grant_and_no_control_byte_comes_of_it(
    parties: Parties, name: str
) -> None:
    async with opened(parties) as desk:
        await parties.session(desk)
        asked = len(parties.customer.asked)
        parties.evil.tell_agent(MESSAGES_FROM_NOWHERE[name])
        await asyncio.sleep(0.3)
        assert len(parties.customer.asked) == asked
    assert [
        line for line in parties.customer.shown if any(ord(char) < 32 or 127 <= ord(char) < 160 for char in line)
    ] == []


async def test_a_relay_that_lost_what_it_promised_is_not_believed(parties: Parties, tmp_path: Path) -> None:
    """After a reconnect it says it holds nothing, though it acknowledged records: the session ends, refused."""
    marker = tmp_path / "ran"

    async def forgetful(passage: Passage) -> Sequence[Data]:
        if passage.road == "agent" and not passage.to_relay and isinstance(passage.message(), Joined):
            return [text(Joined(records=0, relay_time="2026-01-01T00:00:00Z"))]
        return [passage.data]

    async with opened(parties) as desk:
        session = await parties.session(desk)
        parties.evil.tamper = forgetful
        parties.evil.drop_agents()
        await _touch(parties, session, marker)
        assert not marker.exists()
        assert parties.joining is not None
        assert await asyncio.wait_for(parties.joining, PATIENCE_SECONDS) == 5


async def test_records_changed_by_the_relay_fail_verification_by_place(parties: Parties) -> None:
    async with opened(parties) as desk:
        session = await parties.session(desk)
    changed: list[int] = []

    def lie(path: str, body: bytes) -> bytes:
        if not path.endswith("/records"):
            return body
        page = decode(body, Records)
        one = page.records[2]
        changed.append(2)
        forged = type(one)(record=flipped(one.record, 80), head=one.head, acknowledgement=one.acknowledgement)
        records = (*page.records[:2], forged, *page.records[3:])
        return encode(Records(session=page.session, records=records, wraps=page.wraps, more=page.more))

    parties.evil.answer_http = lie
    try:
        done = await asyncio.to_thread(parties.world.command, "audit", "verify", session, expect=5)
    finally:
        parties.evil.answer_http = lambda path, body: body
    assert changed
    assert "2" in done.stderr


async def test_a_log_cut_short_by_the_relay_is_open_not_ended(parties: Parties) -> None:
    async with opened(parties) as desk:
        session = await parties.session(desk)
        async with await desk.connect(session) as connected:
            await connected.run(("true",), on_output=_unheard)
        await desk.end(session, "done")

    def lie(path: str, body: bytes) -> bytes:
        if not path.endswith("/records"):
            return body
        page = decode(body, Records)
        return encode(Records(session=page.session, records=page.records[:-2], wraps=page.wraps))

    whole = await asyncio.to_thread(parties.world.command, "audit", "verify", session)
    assert "open at seq" not in whole.stdout
    parties.evil.answer_http = lie
    try:
        done = await asyncio.to_thread(parties.world.command, "audit", "verify", session, expect=None)
    finally:
        parties.evil.answer_http = lambda path, body: body
    assert done.returncode == 5 or "open at seq" in done.stdout
