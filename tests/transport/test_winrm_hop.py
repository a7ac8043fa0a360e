"""A Windows machine over WinRM (T26): unmodified pywinrm against a peer with real NTLM and message encryption.

Nothing here ran on Windows. PowerShell's answers are written from its documentation: what is tested is the road.
"""

import base64
import http.server
import json
import os
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from remote_assist.core.requests import KIND_DATA, KIND_ERROR
from remote_assist.core.target import Command
from remote_assist.core.wishes import HopPlace, parse_hop
from remote_assist.errors import AssistError, RefusedError, UnreachableError
from remote_assist.transport.hops.winrm import WinrmHop
from remote_assist.transport.hops.winrm_files import content_of, statuses_of
from remote_assist.transport.outward import Pinned, pin
from tests.scenarios.stock import need
from tests.scenarios.world import free_port, wait_for_port
from tests.scenarios.wsman_peer import words_of

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent.parent
PASSWORD = "a pass word"
NEW_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]


@dataclass(frozen=True)
class Windows:
    """Where the peer is, and the authority of its certificate."""

    place: HopPlace
    trust: str

    async def hop(self, password: str = PASSWORD, certificate: str = "") -> WinrmHop:
        pinned = await pin(self.place.endpoint)
        hop = WinrmHop(self.place, pinned, password, self.trust, certificate=certificate)
        try:
            await hop.look()
        except BaseException:
            hop.close()
            raise
        return hop


@contextmanager
def peer(
    folder: Path, name: str = "localhost", user: str = "EXAMPLE\\admin", more: Mapping[str, str] | None = None
) -> Iterator[Windows]:
    folder.mkdir(parents=True, exist_ok=True)
    key, certificate, users = folder / "key", folder / "certificate", folder / "users"
    subject = ["-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}"]
    argv = ["openssl", "req", "-x509", *NEW_KEY, "-days", "2", *subject, "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(argv, check=True, capture_output=True)
    users.write_text(f"EXAMPLE:admin:{PASSWORD}\n")
    port = free_port()
    words = [sys.executable, "-m", "tests.scenarios.wsman_peer", str(port), str(certificate), str(key)]
    environment = {**os.environ, "NTLM_USER_FILE": str(users), **(more or {})}
    server = subprocess.Popen(words, env=environment, cwd=ROOT)
    try:
        wait_for_port(port)
        yield Windows(parse_hop(f"winrm://{user}@localhost:{port}"), str(certificate))
    finally:
        server.terminate()
        server.wait(20)


@pytest.fixture(scope="module")
def windows(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Windows]:
    pytest.importorskip("winrm")
    with peer(tmp_path_factory.mktemp("winrm")) as made:
        yield made


async def test_a_program_gets_its_words_as_they_are(windows: Windows) -> None:
    hop = await windows.hop()
    try:
        words = ["a b", 'say "hi"', "back\\slash\\", 'both \\" of them', "", "100%", "^&|<>", "ünï"]
        done = await hop.run(Command(("printf", "%s|", *words)))
        assert done.stdout.decode() == "".join(f"{word}|" for word in words)
        assert (await hop.run(Command(("sh", "-c", "exit 7")))).status == 7
    finally:
        hop.close()


async def test_output_is_cut_and_late_programs_are_ended(windows: Windows, tmp_path: Path) -> None:
    hop = await windows.hop()
    try:
        cut = await hop.run(Command(("head", "-c", "100000", "/dev/zero"), max_bytes=1000))
        assert (len(cut.stdout), cut.truncated) == (1000, True)
        late = await hop.run(Command(("sh", "-c", f"echo $$ >{tmp_path}/pid; exec sleep 600"), timeout_seconds=0.5))
        assert late.timed_out
        number = (tmp_path / "pid").read_text().strip()
        assert not Path(f"/proc/{number}").exists()
    finally:
        hop.close()


async def test_a_program_streams_both_ways(windows: Windows) -> None:
    hop = await windows.hop()
    try:
        program = await hop.start(["sh", "-c", "cat; echo over >&2; exit 3"])
        await program.feed(b"in and ")
        await program.feed(b"out")
        program.close_stdin()
        kept = {KIND_DATA: b"", KIND_ERROR: b""}
        async for kind, raw in program.output():
            kept[kind] += raw
        assert (await program.wait(), kept) == (3, {KIND_DATA: b"in and out", KIND_ERROR: b"over\n"})
        await program.finish()
        ended = await hop.start(["sleep", "600"])
        ended.terminate()
        assert await ended.finish() != 0
    finally:
        hop.close()


async def test_a_wrong_password_is_told_from_a_machine_that_is_away(windows: Windows) -> None:
    with pytest.raises(RefusedError, match="does not take these credentials") as refused:
        await windows.hop("wrong")
    assert refused.value.reason == "credentials"
    away = Windows(parse_hop(f"winrm://admin@localhost:{free_port()}"), windows.trust)
    with pytest.raises(UnreachableError):
        await away.hop()


async def test_t26_a_certificate_that_does_not_hold_is_refused(windows: Windows, tmp_path: Path) -> None:
    with peer(tmp_path / "other", name="other.example.com") as other:
        for trust in (windows.trust, other.trust):
            with pytest.raises(RefusedError, match="certificate") as refused:
                await Windows(other.place, trust).hop()
            assert refused.value.reason == "host-key"


async def test_t26_a_machine_that_asks_for_basic_gets_no_password(windows: Windows) -> None:
    """Neither over HTTPS, where Basic would be readable to that machine, nor where plain HTTP is spoken."""
    heard: list[str] = []

    class Asking(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            heard.append(self.headers.get("Authorization", ""))
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="WSMAN"')
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *arguments: object) -> None:
            """Silent."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Asking)
    certificate = Path(windows.trust)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, certificate.with_name("key"))
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        asking = Windows(parse_hop(f"winrm://admin@localhost:{server.server_port}"), windows.trust)
        with pytest.raises(RefusedError, match="does not take these credentials"):
            await asking.hop()
        assert heard
        assert not [one for one in heard if one.lower().startswith("basic")]
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="module")
def wine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Windows]:
    """A peer whose programs are wine's: a real cmd.exe, as far as wine is Windows."""
    pytest.importorskip("winrm")
    need("wine")
    folder = tmp_path_factory.mktemp("wine")
    own = {"WINEPREFIX": str(folder / "prefix"), "WINEDEBUG": "-all", "WINEDLLOVERRIDES": "mscoree,mshtml="}
    environment = {**os.environ, **own}
    try:
        argv = ["wine", "wineboot", "--init"]
        subprocess.run(argv, env=environment, check=True, timeout=120, capture_output=True)
        subprocess.run(["wineserver", "-p60"], env=environment, check=True, timeout=60)  # it stays: a start costs 2 s
        # wine's own services start with the first program and keep its streams: those of nobody
        nobodys, first = subprocess.DEVNULL, ["wine", "cmd.exe", "/c", "ver"]
        subprocess.run(first, env=environment, check=True, timeout=60, stdin=nobodys, stdout=nobodys, stderr=nobodys)
        with peer(folder / "peer", more=own) as made:
            yield made
    finally:
        subprocess.run(["wineserver", "-k"], env=environment, check=False, timeout=60)


async def test_wines_cmd_exe_answers_as_cmd_exe_does(wine: Windows) -> None:
    hop = await wine.hop()
    try:
        version = await hop.run(Command(("cmd.exe", "/c", "ver"), timeout_seconds=60))
        assert (version.status, b"Microsoft Windows" in version.stdout) == (0, True)
        assert (await hop.run(Command(("cmd.exe", "/c", "exit 5"), timeout_seconds=60))).status == 5
        said = await hop.run(Command(("cmd.exe", "/c", "echo %OS%& echo oops>&2"), timeout_seconds=60))
        assert (said.stdout, said.stderr.split()) == (b"Windows_NT\r\n", [b"oops"])
        key = r"HKLM\Software\Microsoft\Windows NT\CurrentVersion"
        found = await hop.run(Command(("reg", "query", key, "/v", "ProductName"), timeout_seconds=60))
        assert b"REG_SZ" in found.stdout
        late = await hop.run(Command(("cmd.exe", "/c", "ping -n 600 127.0.0.1"), timeout_seconds=1))
        assert late.timed_out
    finally:
        hop.close()


async def test_a_name_is_resolved_once_and_its_certificate_is_the_names(tmp_path: Path) -> None:
    """DNS may say what it likes afterwards, here nothing at all."""
    with peer(tmp_path, name="win.example.com") as windows:
        place = parse_hop(f"winrm://EXAMPLE\\admin@win.example.com:{windows.place.endpoint.port}")
        hop = WinrmHop(place, Pinned(place.endpoint, ("127.0.0.1",)), PASSWORD, windows.trust)
        try:
            await hop.look()
            assert (await hop.run(Command(("printf", "there")))).stdout == b"there"
        finally:
            hop.close()


@dataclass(frozen=True)
class Authority:
    """An authority for client certificates."""

    folder: Path

    def sign(self, name: str) -> str:
        """A file of a fresh certificate and its key."""
        own, file = self.folder / f"{name}.key", self.folder / f"{name}.pem"
        wanted = ["openssl", "req", *NEW_KEY, "-subj", f"/CN={name}", "-keyout", str(own)]
        request = subprocess.run(wanted, check=True, capture_output=True).stdout
        by = ["-CA", str(self.folder / "ca.pem"), "-CAkey", str(self.folder / "ca.key"), "-CAcreateserial"]
        signing = ["openssl", "x509", "-req", "-days", "2", *by]
        signed = subprocess.run(signing, input=request, check=True, capture_output=True).stdout
        file.write_bytes(own.read_bytes() + signed)
        return str(file)


def authority(folder: Path) -> Authority:
    folder.mkdir()
    files = ["-keyout", str(folder / "ca.key"), "-out", str(folder / "ca.pem")]
    argv = ["openssl", "req", "-x509", *NEW_KEY, "-days", "2", "-subj", "/CN=clients.example.com", *files]
    subprocess.run(argv, check=True, capture_output=True)
    return Authority(folder)


async def test_a_client_certificate_is_proof_enough_by_tls_alone(tmp_path: Path) -> None:
    clients, others = authority(tmp_path / "clients"), authority(tmp_path / "others")
    more = {"CLIENT_CA": str(clients.folder / "ca.pem"), "CLIENT_NAME": "alice"}
    with peer(tmp_path / "peer", more=more) as windows:
        hop = await windows.hop("", clients.sign("alice"))
        try:
            assert (await hop.run(Command(("printf", "hello")))).stdout == b"hello"
        finally:
            hop.close()
        with pytest.raises(RefusedError, match="does not take these credentials") as refused:
            await windows.hop("", clients.sign("bob"))
        assert refused.value.reason == "credentials"
        with pytest.raises(AssistError):  # TLS itself ends, by an alert or by hanging up
            await windows.hop("", others.sign("alice"))
        with pytest.raises(RefusedError, match="certificate"):
            await Windows(windows.place, str(others.folder / "ca.pem")).hop("", clients.sign("alice"))
        assert (await windows.hop()).is_open  # a password still does


async def test_a_client_certificate_is_never_tried_over_plain_http(tmp_path: Path) -> None:
    plain = Windows(parse_hop("winrm://admin@localhost:5985"), "")
    with pytest.raises(RefusedError, match="HTTPS only"):
        await plain.hop("", str(tmp_path / "none"))


async def test_its_password_is_nowhere_to_be_seen(windows: Windows) -> None:
    hop = await windows.hop()
    assert PASSWORD not in repr(hop)
    hop.close()
    assert PASSWORD not in str(vars(hop))


def test_what_the_scripts_print_is_read_and_nothing_else() -> None:
    listing = [{"path": "C:\\a", "kind": "file", "size_bytes": 3, "modified": 1.5}]
    assert statuses_of(json.dumps(listing).encode())[0].size_bytes == 3
    assert content_of(json.dumps([base64.b64encode(b"abc").decode()]).encode()) == b"abc"
    for raw in (b"{", b"[1]", b'["***"]', b'[{"path": 1}]'):
        with pytest.raises(AssistError):
            statuses_of(raw)
        with pytest.raises(AssistError):
            content_of(raw)


@pytest.mark.parametrize("words", [["a"], ["a b", ""], ['"', "\\"], ["\\\\", 'x\\"y'], ["tab\there"]])
def test_the_peer_takes_command_lines_apart_as_windows_does(words: list[str]) -> None:
    assert words_of(subprocess.list2cmdline(words)) == words
