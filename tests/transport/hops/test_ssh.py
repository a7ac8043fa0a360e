"""A machine behind the agent's, by SSH: OpenSSH's server and dropbear for real, and peers that are no such thing."""

import asyncio
import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import paramiko
import pytest

from remote_assist.core.target import Command
from remote_assist.core.wishes import HopPlace, parse_hop
from remote_assist.errors import AssistError, UnreachableError
from remote_assist.transport.hops import ssh_login as ssh_hop_login
from remote_assist.transport.hops.ssh import THREADS, SshHop
from remote_assist.transport.hops.ssh_login import open_connection
from remote_assist.transport.outward import pin
from tests.scenarios.ssh_machine import SshMachine, dropbear, openssh

pytestmark = pytest.mark.slow

TALK = 'echo Welcome. Be good. >&2; exec sh -c "$SSH_ORIGINAL_COMMAND"'


@pytest.fixture(scope="module", params=["openssh", "dropbear"])
def machine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshMachine]:
    serve = openssh if request.param == "openssh" else dropbear
    with serve(tmp_path_factory.mktemp("hop") / request.param) as machine:
        yield machine


@contextmanager
def logged_in(machine: SshMachine) -> Iterator[SshHop]:
    """The machine as the product reaches it; only the log-in is done here, with the machine's one user key."""
    peer = paramiko.Transport((machine.address, machine.port))
    key = paramiko.Ed25519Key.from_private_key_file(str(machine.user_key))
    peer.start_client(timeout=60)
    peer.auth_publickey(parse_hop(machine.place).user, key)
    hop = SshHop(parse_hop(machine.place), peer, ThreadPoolExecutor(THREADS))
    try:
        yield hop
    finally:
        hop.close()


def test_programs_files_and_a_terminal_of_either_server(machine: SshMachine, tmp_path: Path) -> None:
    async def use(hop: SshHop) -> None:
        await hop.look()
        assert (hop.platform, hop.is_root) == ("linux", os.getuid() == 0)
        done = await asyncio.gather(*(hop.run(Command(("printf", "%s", str(n)))) for n in range(24)))
        assert [one.stdout for one in done] == [b"%d" % n for n in range(24)]
        path = str(tmp_path / "file")
        await hop.replace_file(path, b"content", mode=0o640)
        assert await hop.read(path, max_bytes=4) == b"cont"
        (found,) = await hop.list(str(tmp_path), max_entries=9)
        assert (found.path, found.mode, found.size_bytes) == (path, 0o640, 7)
        await hop.remove_file(path)
        with pytest.raises(AssistError, match="there is no"):
            await hop.status(path)
        terminal = await hop.start_terminal([], "", environment={"TERM": "vt220"}, columns=91, rows=17)
        await terminal.feed(b"stty size; echo $TERM; exit 3\n")
        shown = b"".join([raw async for _, raw in terminal.output()])
        assert b"17 91" in shown
        assert b"vt220" in shown
        assert await terminal.wait() == 3
        await terminal.finish()

    with logged_in(machine) as hop:
        asyncio.run(use(hop))


def test_a_program_that_is_stopped_ends_there_and_nothing_else_does(tmp_path: Path) -> None:
    """A login shell that talks first must never have our signals go astray."""

    async def use(hop: SshHop) -> None:
        done = await hop.run(Command(("echo", "said")))
        assert (done.stdout, done.stderr) == (b"said\n", b"Welcome. Be good.\n")
        mark = tmp_path / "pid"
        argv = ("sh", "-c", f"echo $$ >{mark}; exec sleep 600")
        late = await hop.run(Command(argv, timeout_seconds=2.0))
        assert late.timed_out
        await _gone(int(mark.read_text()))

    bystander = subprocess.Popen(["sleep", "600"])
    try:
        with openssh(tmp_path / "talks", ForceCommand=TALK) as machine, logged_in(machine) as hop:
            asyncio.run(use(hop))
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def test_a_server_that_takes_two_sessions_at_once_is_asked_again(tmp_path: Path) -> None:
    async def use(hop: SshHop) -> None:
        done = await asyncio.gather(*(hop.run(Command(("true",))) for _ in range(12)))
        assert [one.status for one in done] == [0] * 12

    with openssh(tmp_path / "few", MaxSessions="2") as machine, logged_in(machine) as hop:
        asyncio.run(use(hop))


def test_output_that_floods_is_cut_and_who_hangs_is_left(machine: SshMachine, request: pytest.FixtureRequest) -> None:
    async def go_on(hop: SshHop) -> None:
        assert (await hop.run(Command(("true",)))).status == 0

    async def use(hop: SshHop) -> None:
        flood = await hop.run(Command(("head", "-c", "20000000", "/dev/zero"), max_bytes=1000, timeout_seconds=60))
        assert (len(flood.stdout), flood.truncated, flood.status) == (1000, True, 0)
        endless = await hop.run(Command(("yes",), max_bytes=10, timeout_seconds=0.5))
        assert (endless.timed_out, len(endless.stdout)) == (True, 10)
        if "dropbear" not in request.node.name:  # 2022.83 now and then hangs up when a session of it was ended
            await go_on(hop)

    with logged_in(machine) as hop:
        asyncio.run(use(hop))
    with logged_in(machine) as hop:
        asyncio.run(go_on(hop))


@pytest.mark.parametrize("manner", ["silent", "floods", "closes", "absent"])
def test_what_is_no_ssh_server_is_unreachable_and_soon(manner: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ssh_hop_login, "HANDSHAKE_SECONDS", 0.5)
    with _peer(manner) as port:
        place = parse_hop(f"ssh://root@127.0.0.1:{port}")
        with pytest.raises(UnreachableError, match="cannot be reached"):
            asyncio.run(_connect(place))


async def _connect(place: HopPlace) -> None:
    pool = ThreadPoolExecutor(2)
    try:
        async with asyncio.timeout(60):
            await open_connection(await pin(place.endpoint), place, [], pool)
    finally:
        pool.shutdown(wait=False)


@contextmanager
def _peer(manner: str) -> Iterator[int]:
    """A port where something listens that speaks no SSH."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = int(server.getsockname()[1])
        if manner == "absent":
            server.close()
            yield port
            return
        threading.Thread(target=_misbehave, args=(server, manner), daemon=True).start()
        yield port


def _misbehave(server: socket.socket, manner: str) -> None:
    try:
        peer, _ = server.accept()
        with peer:
            if manner == "floods":
                while True:
                    peer.sendall(b"x" * 1000 + b"\r\n")
            if manner == "silent":
                peer.settimeout(60)
                while peer.recv(4096):
                    pass
    except OSError:
        return


async def _gone(process_id: int) -> None:
    for _ in range(600):
        stat = Path(f"/proc/{process_id}/stat")
        if not stat.exists() or stat.read_text().split()[2] == "Z":
            return
        await asyncio.sleep(0.1)
    raise AssertionError(f"process {process_id} is still there")
