"""TCP_NODELAY on every socket of ours: Nagle with delayed acknowledgement would add steps of 40 ms to a keystroke."""

import os
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.scenarios.world import World, next_line, served_world

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux" or not hasattr(os, "pidfd_open"), reason="looks into other processes"),
]

PIDFD_GETFD = 438
"""The system call's number on every architecture (Linux 5.6)."""


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with served_world(tmp_path) as world:
        yield world


def tcp_sockets(program: "subprocess.Popen[str]") -> dict[int, bool]:
    """Descriptor of each connected TCP socket of a process → whether TCP_NODELAY is set on it."""
    import ctypes

    syscall = ctypes.CDLL(None, use_errno=True).syscall
    pidfd = os.pidfd_open(program.pid)
    found = {}
    for entry in Path(f"/proc/{program.pid}/fd").iterdir():
        if not os.readlink(entry).startswith("socket:"):
            continue
        copy = syscall(PIDFD_GETFD, pidfd, int(entry.name), 0)
        if copy < 0:
            pytest.skip(f"sockets of other processes cannot be looked at: {os.strerror(ctypes.get_errno())}")
        with socket.socket(fileno=copy) as sock:
            if sock.family in (socket.AF_INET, socket.AF_INET6) and _is_connected(sock):
                found[int(entry.name)] = bool(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
    os.close(pidfd)
    return found


def _is_connected(sock: socket.socket) -> bool:
    if sock.type != socket.SOCK_STREAM or sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        return False
    state: int = struct.unpack_from("B", sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 8))[0]
    return state == 1  # TCP_ESTABLISHED


def test_every_socket_at_both_ends_and_in_the_relay_sends_at_once(world: World) -> None:
    relay = world.programs[0]
    _, session, agent = world.session()
    typing = world.start("remote-assist", "run", session, "-i", "--", "cat")
    assert typing.stdin is not None
    typing.stdin.write("a\n")
    typing.stdin.flush()
    assert next_line(typing) == "a"
    sockets = {"relay": tcp_sockets(relay), "agent": tcp_sockets(agent), "technician": tcp_sockets(typing)}
    assert len(sockets["relay"]) >= 3 and len(sockets["agent"]) >= 2 and sockets["technician"], sockets
    assert all(all(found.values()) for found in sockets.values()), sockets
    typing.stdin.close()
    typing.stdin = None
    assert typing.wait(30) == 0
