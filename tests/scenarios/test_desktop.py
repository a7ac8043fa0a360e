"""The customer's screen: a real x11vnc under a real X server through a session, and pictures asked for one by one."""

import contextlib
import os
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from remote_assist.core.picture.png import decode_png
from tests.scenarios.onscreen import OnScreen
from tests.scenarios.stock import need
from tests.scenarios.world import World, free_port, next_line, served_world, wait_for_port

pytestmark = pytest.mark.slow

WIDTH, HEIGHT = 320, 200

RFB_CLIENT = """
import socket, struct, sys
with socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=60) as peer:
    stream = peer.makefile("rwb")
    version = stream.read(12)
    stream.write(b"RFB 003.008\\n"); stream.flush()
    kinds = stream.read(stream.read(1)[0])
    stream.write(b"\\x01"); stream.flush()
    assert stream.read(4) == b"\\0" * 4, "security"
    stream.write(b"\\x01"); stream.flush()
    width, height = struct.unpack(">HH", stream.read(4))
    bits = stream.read(16)[0]
    name = stream.read(struct.unpack(">I", stream.read(4))[0])
    stream.write(struct.pack(">BxHi", 2, 1, 0) + struct.pack(">BBHHHH", 3, 0, 0, 0, width, height)); stream.flush()
    kind, rectangles = struct.unpack(">BxH", stream.read(4))
    area = 0
    for _ in range(rectangles):
        x, y, w, h, how = struct.unpack(">HHHHi", stream.read(12))
        assert how == 0
        stream.read(w * h * bits // 8)
        area += w * h
    print(version.decode().strip(), width, height, area, flush=True)
"""


RDP_VIEWER = """
import os, subprocess, sys, time, mss
display, host, port = sys.argv[1:]
os.environ["DISPLAY"] = display
words = ["/cert:ignore", "/u:na", "/p:na", "/size:320x200", "/log-level:ERROR"]
viewer = subprocess.Popen(["xfreerdp", f"/v:{host}:{port}", *words], env={**os.environ, "HOME": os.getcwd()})
end = time.monotonic() + 60
with mss.MSS() as screen:
    while (0xC0, 0x20, 0x40) not in (seen := set(screen.grab(screen.monitors[0]).pixels[100])):
        assert viewer.poll() is None and time.monotonic() < end, (viewer.poll(), seen)
        time.sleep(0.1)
viewer.terminate()
viewer.wait(30)
print("RDP shows the customer's colour", flush=True)
"""
"""FreeRDP at a screen of its own (argument 1); ends well once that screen shows what the customer's shows."""

XRDP_INI = """
[Globals]
ini_version=1
fork=false
port=tcp://127.0.0.1:{port}
security_layer=tls
certificate={folder}/cert.pem
key_file={folder}/key.pem
allow_channels=true
max_bpp=32
autorun=desk
[Logging]
LogFile={folder}/xrdp.log
EnableSyslog=false
[desk]
name=desk
lib=libvnc.so
ip=127.0.0.1
port={vnc}
username=na
password=na
"""


@pytest.fixture(scope="module")
def display() -> Iterator[str]:
    """The customer's screen, coloured."""
    with x_server(WIDTH, HEIGHT) as name:
        subprocess.run(["xsetroot", "-solid", "#c02040"], env={**os.environ, "DISPLAY": name}, check=True)
        yield name


@contextlib.contextmanager
def x_server(width: int, height: int) -> Iterator[str]:
    """A real X server without a monitor."""
    need("Xvfb", "xsetroot")
    reading, writing = os.pipe()
    argv = ["Xvfb", "-displayfd", str(writing), "-screen", "0", f"{width}x{height}x24", "-nolisten", "tcp", "-noreset"]
    server = subprocess.Popen(argv, pass_fds=(writing,), stderr=subprocess.DEVNULL)
    os.close(writing)
    try:
        with os.fdopen(reading) as told:
            yield f":{told.readline().strip()}"
    finally:
        server.terminate()
        server.wait(30)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, display: str) -> Iterator[World]:
    with served_world(tmp_path_factory.mktemp("desktop")) as world:
        (world.folder / "viewer.py").write_text(RFB_CLIENT)
        world.extra["customer-home"] = {"DISPLAY": display, "WAYLAND_DISPLAY": "", "XDG_SESSION_TYPE": "x11"}
        yield world


@pytest.fixture(scope="module")
def vnc(display: str) -> Iterator[int]:
    need("x11vnc")
    port = free_port()
    argv = [
        "x11vnc",
        "-display",
        display,
        "-localhost",
        "-rfbport",
        str(port),
        "-forever",
        "-nopw",
        "-quiet",
        "-noipv6",
    ]
    server = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for_port(port, 60)
        yield port
    finally:
        server.terminate()
        server.wait(30)


@pytest.fixture
def rdp(vnc: int, tmp_path: Path) -> Iterator[int]:
    """A real xrdp in front of the customer's screen."""
    need("xrdp", "xfreerdp", "openssl")
    make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=rdp.example.com"]
    argv = [*make, "-keyout", str(tmp_path / "key.pem"), "-out", str(tmp_path / "cert.pem")]
    subprocess.run(argv, check=True, capture_output=True)
    port = free_port()
    (tmp_path / "xrdp.ini").write_text(XRDP_INI.format(port=port, folder=tmp_path, vnc=vnc))
    argv = ["xrdp", "--nodaemon", "--config", str(tmp_path / "xrdp.ini")]
    server = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for_port(port, 60)
        yield port
    finally:
        server.kill()  # asked to end, it waits for viewers
        server.wait(30)


def test_an_rdp_viewer_sees_it_as_well(world: World, rdp: int) -> None:
    with x_server(640, 480) as display:
        (world.folder / "rdp_viewer.py").write_text(RDP_VIEWER)
        _, session, _ = world.session(scopes=f"forward=127.0.0.1:{rdp}")
        viewer = f"{sys.executable} {world.folder / 'rdp_viewer.py'} {display} {{host}} {{port}}"
        told = world.command("desktop", session, f"127.0.0.1:{rdp}", "--viewer", viewer, timeout=120).stdout
    assert "RDP shows the customer's colour" in told


def test_a_viewer_sees_the_customers_desktop_through_the_session(world: World, vnc: int) -> None:
    _, session, _ = world.session(scopes=f"forward=127.0.0.1:{vnc}")
    viewer = f"{sys.executable} {world.folder / 'viewer.py'} {{host}} {{port}}"
    told = world.command("desktop", session, f"127.0.0.1:{vnc}", "--viewer", viewer).stdout
    assert f"leads to 127.0.0.1:{vnc}" in told
    assert f"RFB 003.008 {WIDTH} {HEIGHT} {WIDTH * HEIGHT}" in told
    failing = world.command("desktop", session, f"127.0.0.1:{vnc}", "--viewer", "sh -c 'exit 9' {port}", expect=1)
    assert "ended with status 9" in failing.stderr
    assert "forward=127.0.0.1:5900" in world.command("desktop", session, expect=3).stderr
    without = world.command("desktop", session, "--viewer", "vncviewer", expect=2)
    assert "names no {port}" in without.stderr
    acts = world.command("audit", "show", session, "--json").stdout
    assert '"RA1500O"' in acts.replace(" ", "")


@pytest.mark.full
def test_without_a_viewer_the_address_is_told_and_serves(world: World, vnc: int) -> None:
    _, session, _ = world.session(scopes=f"forward=127.0.0.1:{vnc}")
    open_way = world.start(
        "remote-assist", "desktop", session, f"127.0.0.1:{vnc}", "--viewer", "none", "--plain", log="desktop.log"
    )
    port = int(next_line(open_way, 60))
    with socket.create_connection(("127.0.0.1", port), timeout=60) as peer:
        assert peer.recv(12) == b"RFB 003.008\n"
    open_way.terminate()
    open_way.wait(60)


def test_a_picture_is_asked_about_each_time_and_stays_private(world: World) -> None:
    ticket = world.new_ticket()
    inviting, code = world.invite(ticket, "diagnose")
    with OnScreen(world, "join", "--ca", "org/ca.pub", "--accept", "diagnose", home="customer-home") as screen:
        screen.read_until("Support code", 60)
        screen.press(code + "\r")
        session = next_line(inviting, 60)
        wanted = world.start("remote-assist", "screenshot", session, "--json", log="wanted.log")
        screen.read_until("asks for one picture of this screen", 60)
        screen.press("n")
        assert wanted.wait(60) == 3
        assert "did not allow this picture" in world.log("wanted.log")
        screen.seen = b""
        with OnScreen(world, "screenshot", session) as mine:
            screen.read_until("asks for one picture of this screen", 60)
            screen.press("y")
            assert mine.finished(60) == 0
        assert "\x1b[38;2;192;32;64;48;2;192;32;64m▀".encode() in mine.seen
        assert b"remote-assist disclose" in mine.seen
    (path,) = (world.folder / "alice-home").rglob("screenshot-*.png")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    picture = decode_png(path.read_bytes())
    assert (picture.width, picture.height, picture.at(7, 7)) == (WIDTH, HEIGHT, (0xC0, 0x20, 0x40))
    story = world.command("audit", "show", session, "--json").stdout
    assert "RA1510I" in story
    assert "screenshot" not in world.command("tickets", "show", ticket).stdout


@pytest.mark.full
def test_nobody_there_to_ask_means_no_picture(world: World) -> None:
    _, session, _ = world.session(scopes="diagnose")
    assert "did not allow this picture" in world.command("screenshot", session, expect=3).stderr
