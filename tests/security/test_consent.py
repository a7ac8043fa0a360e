"""T16, T27, T28, T29: secrets on disk, and consent that only a person at the machine can give."""

import asyncio
import contextlib
import itertools
import os
import stat
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from relay.links.sockets import say
from remote_assist.agent.memory import AgentHome
from remote_assist.agent.prompt.consent_screen import open_screen
from remote_assist.agent.prompt.terminal import PromptTerminal
from remote_assist.core.codec import encode
from remote_assist.core.codes import parse_code
from remote_assist.core.consent import Consent, Granted, Moment, Revoked, grants_of
from remote_assist.core.messages import (
    Acknowledged,
    AppendRefused,
    Burn,
    Challenge,
    Grant,
    Joined,
    Message,
    NameplateAssigned,
    PairingReply,
    PairingStart,
    PairingStatement,
    PairingVerdict,
    PeerJoined,
    PeerLeft,
    RelayRefused,
    StreamOffered,
    TechnicianEnvelope,
    Verdict,
)
from remote_assist.core.requests import (
    ApplyFix,
    AskStatus,
    Cancel,
    Collect,
    InputEnd,
    ListFolder,
    ListMany,
    PlanFix,
    ReadFile,
    ReadMany,
    RequestScopes,
    Run,
    Status,
    WriteFile,
)
from remote_assist.core.signing.keys import fingerprint, public_line
from remote_assist.errors import AssistError, RefusedError, VerificationError
from tests.agent.keyboard import NOW, Keyboard, question
from tests.agent.world import ALL_SCOPES, AgentWorld, LiveSession, agent_world
from tests.scenarios.world import served_world

SESSION, OTHER = "s-aaaaaaaaaaaaaaaa", "s-bbbbbbbbbbbbbbbb"
KEY = "SHA256:alice"
AT = Moment(NOW, 0.0)
GRANT = Grant(id="g9", scope="terminal", until="2030-01-01T00:00:00.000000Z", key=KEY)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[AgentWorld]:
    async with agent_world(tmp_path) as running:
        yield running


# --- T27: no message gives a grant ----------------------------------------------------------------

RELAY_SAYS: tuple[Message, ...] = (
    PeerJoined(),
    PeerLeft(reason="gone"),
    NameplateAssigned(nameplate="417203", seconds=600),
    Burn(reason="paired"),
    RelayRefused(reason="used", sentence="no"),
    PairingStart(version=1, x=b"A" + bytes(32), nonce=bytes(32)),
    PairingStatement(sealed=b"x" * 64, mac=bytes(32)),
    PairingVerdict(sealed=b"x" * 64, mac=bytes(32)),
    PairingReply(version=1, y=b"B" + bytes(32), nonce=bytes(32), sealed=b"", mac=bytes(32)),
    Verdict(grants=(GRANT,)),
)
BETWEEN_ENDS = (PairingStart, PairingStatement, PairingVerdict, PairingReply, Verdict)


@pytest.mark.parametrize("first", RELAY_SAYS, ids=lambda one: type(one).__name__)
async def test_t27_no_message_of_a_relay_leads_to_a_question_let_alone_a_grant(
    world: AgentWorld, first: Message
) -> None:
    said: list[Message] = []

    async def puppet(connection: ServerConnection) -> None:
        with contextlib.suppress(ConnectionClosed):
            for message in said:
                raw = encode(message)
                await connection.send(raw if isinstance(message, BETWEEN_ENDS) else raw.decode())
            await connection.recv()
            await connection.send(encode(Verdict(grants=(GRANT,))))

    async with serve(puppet, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        limits = replace(world.settings.pairing, handshake_deadline_seconds=0.3, code_lifetime_seconds=1)
        for number, second in enumerate(RELAY_SAYS):
            said[:] = [first, second]
            world.home = AgentHome(world.folder / f"home-{number}")  # a fresh one: failed pairings lock an old one
            world.limit(home=world.home.path, relay_url=f"http://127.0.0.1:{port}", pairing=limits)
            with pytest.raises(AssistError):
                await world.join(parse_code("417203-tulip-rocket-amber"))
            assert not list((world.home.path / "sessions").iterdir())
    assert world.customer.questions == []


TECHNICIAN_SAYS: tuple[Message, ...] = (
    RequestScopes(scopes=("terminal",), seconds=600, reason="please"),
    RequestScopes(scopes=ALL_SCOPES, seconds=1 << 40),
    Run(argv=("true",)),
    ReadFile(path=b"/etc/hostname"),
    ListFolder(path=b"/"),
    ListMany(folder=b"/", names=(b"etc",)),
    ReadMany(folder=b"/etc", names=(b"hostname",)),
    WriteFile(folder=b"/tmp", name=b"t27", size=0, sha256="0" * 64),
    Collect(bundle="first-look", version=1, digest="0" * 64),
    PlanFix(fix="linux.service.free-port", version=1, digest="0" * 64, parameters={}),
    ApplyFix(plan="0" * 64),
    AskStatus(),
    InputEnd(),
    Cancel(),
    Verdict(grants=(GRANT,)),
    PairingVerdict(sealed=b"x", mac=b"x"),
)
RELAY_SAYS_LATER: tuple[Message, ...] = (
    Joined(records=9, relay_time="2026-03-01T00:00:00Z"),
    Challenge(nonce=bytes(32)),
    Acknowledged(acknowledgements=()),
    AppendRefused(session=SESSION, seq=0, reason="store-full", sentence=""),
    StreamOffered(session=SESSION, stream=9, epoch=1, ticket="x"),
    StreamOffered(session=OTHER, stream=1, epoch=1, ticket="../../x"),
    PeerJoined(),
    Verdict(grants=(GRANT,)),
)


async def test_t27_no_message_of_a_technician_gives_a_grant_while_the_customer_does_nothing(world: AgentWorld) -> None:
    world.customer.allows = ()
    async with _allowed(world, "files:write") as live:
        world.customer.decides.clear()
        for pair in itertools.product(TECHNICIAN_SAYS, TECHNICIAN_SAYS[:6]):
            await _say(world, pair)
        assert await _granted(live) == ["files:write"]
        world.customer.decides.set()
    consents = [record for record in world.journal() if record.code == "RA1001E"]
    assert [(record.scope, record.actor.kind) for record in consents] == [("files:write", "customer")]


async def test_t27_no_word_of_the_relay_gives_a_grant_in_a_running_session(world: AgentWorld) -> None:
    async with _allowed(world, "diagnose") as live:
        for message in RELAY_SAYS_LATER:
            line = world.relay.relay._present.switchboard.line(world.technician.session)
            assert line is not None
            await say(line.socket, message)
            assert await _granted(live) == ["diagnose"]
    assert [record.scope for record in world.journal() if record.code == "RA1001E"] == ["diagnose"]


async def test_t27_a_yes_needs_a_key_after_the_cool_down() -> None:
    keyboard = Keyboard()
    asking = asyncio.create_task(PromptTerminal(keyboard, steady=lambda: keyboard.now).consent(question()))
    await asyncio.sleep(0)
    for moment in (0.0, 1.0, 2.9):
        keyboard.now = moment
        await keyboard.press("y", "Y", "enter", " ", " ")
        assert not asking.done()
    keyboard.now = 3.0
    await keyboard.press("y")
    assert (await asking).scopes == ("diagnose", "files:read")


def test_t27_the_screen_says_who_asks_and_that_we_never_call_first() -> None:
    text = "\n".join(open_screen(question(), NOW).lines(0.0))
    assert "Alice Example, Example Support (certificate verified)" in text
    assert "Did you ask for this? We never call you first." in text
    assert "#4711 Web server does not start" in text
    first = "\n".join(open_screen(question(verified=False), NOW).lines(0.0))
    assert '"Alice Example" is vouched for only by whoever gave you the code.' in first
    assert "certificate verified" not in first


# --- T28: a consent holds for its session, scope and time -------------------------------------------


def _consent(*grants: Grant) -> Consent:
    return Consent(SESSION).after(Granted(SESSION, grants, AT))


def _grant(scope: str = "diagnose", seconds: int = 60) -> Grant:
    (made,) = grants_of([scope], [scope], seconds=seconds, limit=NOW + timedelta(days=1), now=NOW, key=KEY)
    return made


def test_t28_a_consent_of_another_session_is_refused() -> None:
    with pytest.raises(RefusedError, match="another session"):
        Consent(SESSION).after(Granted(OTHER, (_grant(),), AT))


def test_t28_a_consent_to_one_scope_is_none_to_another() -> None:
    with pytest.raises(RefusedError, match="has not allowed terminal"):
        _consent(_grant("diagnose")).check("terminal", key=KEY, now=AT)


def test_t28_a_consent_given_before_is_refused_now() -> None:
    late = Moment(NOW + timedelta(seconds=61), 61.0)
    with pytest.raises(RefusedError, match="ended at"):
        Consent(SESSION).after(Granted(SESSION, (_grant(),), late))


def test_t28_a_consent_that_was_taken_back_cannot_be_given_again() -> None:
    grant = _grant()
    with pytest.raises(RefusedError, match="already used"):
        _consent(grant).after(Revoked()).after(Granted(SESSION, (grant,), AT))


async def test_t28_a_statement_of_another_pairing_is_refused_before_anybody_is_asked(world: AgentWorld) -> None:
    kept: list[TechnicianEnvelope] = []
    technician = world.technician
    send = technician.send_envelope

    async def keep(envelope: TechnicianEnvelope) -> None:
        kept.append(envelope)
        await send(envelope)

    technician.send_envelope = keep  # type: ignore[method-assign]  # a tap on what is really sent
    async with world.session():
        pass
    technician.send_envelope = send  # type: ignore[method-assign]
    asked = len(world.customer.questions)
    agent = world.join(await technician.make_code())
    await technician.greet()
    await technician.send_envelope(kept[0])
    assert (await technician.verdict()).reason == "unverified"
    with pytest.raises(VerificationError, match="another pairing"):
        await agent
    assert len(world.customer.questions) == asked


@pytest.mark.parametrize(
    "changes",
    [
        {"agent_host_key": "other"},
        {"relay": "https://relay.example.org:443"},
        {"transcript": bytes(32)},
    ],
    ids=["host key", "relay", "transcript"],
)
async def test_t28_a_statement_for_another_machine_relay_or_pairing_is_refused(
    world: AgentWorld, changes: dict[str, Any]
) -> None:
    if "agent_host_key" in changes:
        changes = {"agent_host_key": public_line(world.technician.session_key)}
    agent = world.join(await world.technician.make_code())
    await world.technician.greet()
    await world.technician.ask(**changes)
    with pytest.raises(VerificationError):
        await agent
    assert world.customer.questions == []


async def test_t28_a_grant_is_for_the_key_of_its_own_session(world: AgentWorld) -> None:
    async with world.session() as live:
        assert {grant.key for grant in live.verdict.grants} == {fingerprint(public_line(world.technician.session_key))}
        stranger = world.technician.person.key
        world.technician.session_key, ours = stranger, world.technician.session_key  # type: ignore[assignment]
        with pytest.raises(RefusedError):
            await live.ask(AskStatus())
        world.technician.session_key = ours


# --- T16: secrets are born private ------------------------------------------------------------------


@pytest.fixture
def open_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.mark.usefixtures("open_umask")
async def test_t16_everything_in_the_state_folder_is_private_from_birth(world: AgentWorld) -> None:
    born = _watch_births(world.home.path)
    async with world.session() as live:
        await live.ask(Run(argv=("true",)))
        live_files = _modes(world.home.path)
    assert {mode for path, mode in live_files.items() if path.is_file()} == {0o600}
    after = _modes(world.home.path)
    assert {mode for path, mode in after.items() if path.is_file()} == {0o600}
    assert {mode for path, mode in after.items() if path.is_dir()} == {0o700}
    born.active = False
    assert born.opened, "the watch saw nothing"
    assert [path for path, flags in born.opened if flags & os.O_CREAT and not flags & (os.O_EXCL | os.O_APPEND)] == []


class _Births:
    """Files opened below a folder, by the interpreter's own audit hook (which cannot be removed, only put to sleep)."""

    def __init__(self, folder: Path) -> None:
        self.folder = str(folder)
        self.opened: list[tuple[str, int]] = []
        self.active = True

    def __call__(self, event: str, arguments: tuple[object, ...]) -> None:
        if not self.active or event != "open":
            return
        path, _, flags = arguments
        if isinstance(path, str | Path) and str(path).startswith(self.folder) and isinstance(flags, int):
            self.opened.append((str(path), flags))


def _watch_births(folder: Path) -> _Births:
    births = _Births(folder)
    sys.addaudithook(births)
    return births


def _modes(folder: Path) -> dict[Path, int]:
    return {path: stat.S_IMODE(path.stat().st_mode) for path in [folder, *folder.rglob("*")]}


# --- T29: the words are nowhere ---------------------------------------------------------------------


@pytest.mark.slow
def test_t29_the_words_are_in_no_argv_environment_log_or_file(tmp_path: Path) -> None:
    with served_world(tmp_path) as world:
        inviting, code = world.invite(world.new_ticket())
        words = parse_code(code).words
        agent = world.join(code)
        seen = _scan_processes(words)
        assert inviting.stdout is not None
        session = inviting.stdout.readline().strip()
        inviting.wait(30)
        world.command("run", session, "--", "true")
        seen += _scan_processes(words)
        world.command("end", session, "--note", "Done.")
        agent.wait(30)
        assert seen == []
        assert _scan_files(tmp_path, words) == []
        assert session.startswith("s-")


@pytest.mark.slow
@pytest.mark.parametrize(
    "argv",
    [
        ["join", "417203-tulip-rocket-amber"],
        ["join", "417203", "tulip", "rocket", "amber"],
        ["join", "--code", "417203-tulip-rocket-amber"],
    ],
)
def test_t29_a_code_on_the_command_line_is_refused_and_not_repeated(tmp_path: Path, argv: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "remote_assist", *argv, "--relay", "http://127.0.0.1:1"],
        capture_output=True,
        text=True,
        env={**os.environ, "REMOTE_ASSIST_HOME": str(tmp_path)},
        stdin=subprocess.DEVNULL,
        timeout=60,
    )
    assert done.returncode == 2
    assert "does not go on the command line" in done.stderr
    assert "tulip" not in done.stderr + done.stdout


# --- shared ---------------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def _allowed(world: AgentWorld, *scopes: str) -> AsyncIterator[LiveSession]:
    world.customer.allows = scopes
    async with world.session() as live:
        yield live


async def _say(world: AgentWorld, messages: tuple[Message, ...]) -> None:
    """Say these on one channel, whatever the agent answers."""
    async with world.technician.channel() as channel:
        with contextlib.suppress(AssistError):
            for message in messages:
                await channel.send(message)


async def _granted(live: LiveSession) -> list[str]:
    status = (await live.ask(AskStatus())).last
    assert isinstance(status, Status)
    return [grant.scope for grant in status.grants]


def _forms(words: str) -> list[bytes]:
    parts = words.split("-")
    return [sign.join(parts).encode() for sign in ("-", " ", "_", "")]


def _scan_processes(words: str) -> list[str]:
    found = []
    for entry in Path("/proc").iterdir():
        for name in ("cmdline", "environ"):
            with contextlib.suppress(OSError):
                raw = (entry / name).read_bytes().replace(b"\0", b" ") if entry.name.isdecimal() else b""
                if any(form in raw for form in _forms(words)):
                    found.append(f"{entry}/{name}")
    return found


def _scan_files(folder: Path, words: str) -> list[str]:
    return [
        str(path)
        for path in folder.rglob("*")
        if path.is_file() and any(form in path.read_bytes() for form in _forms(words))
    ]
