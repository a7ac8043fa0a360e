"""A peer that speaks WS-Management as Windows does, for unmodified pywinrm: real NTLM and message encryption by
pyspnego, WinRS shells, HTTPS or HTTP. Programs run here, by the argv that a Windows program finds in its command line.

With CLIENT_CA and CLIENT_NAME, somebody of that name whom that authority vouches for needs no NTLM: TLS has proved who
they are (as Windows maps a client certificate to a user), and their messages come as they are.

With WINEPREFIX, programs are those of wine there: cmd.exe and what belongs to it, as Windows starts them.

Not covered: PSRP runspaces, CredSSP, channel binding. What PowerShell would print is told by the test.

    python -m tests.scenarios.wsman_peer PORT [CERTIFICATE KEY]      NTLM_USER_FILE is set; or KRB5_KTNAME for Kerberos
"""

import base64
import http.server
import os
import socketserver
import ssl
import struct
import subprocess
import sys
import threading
import uuid
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import spnego

SHELL = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell"
NAMES = {
    "s": "http://www.w3.org/2003/05/soap-envelope",
    "a": "http://schemas.xmlsoap.org/ws/2004/08/addressing",
    "r": SHELL,
    "w": "http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd",
}
ENCRYPTED = "multipart/encrypted"
BOUNDARY = "Encrypted Boundary"
WAIT_SECONDS = 10
MUTUAL = "http://schemas.dmtf.org/wbem/wsman/1/wsman/secprofile/https/mutual"


def words_of(line: str) -> list[str]:
    """The words of a Windows command line, by the rules of CommandLineToArgvW."""
    words, word, quoted, slashes, begun = [], "", False, 0, False
    for sign in [*line, ""]:
        if sign == "\\":
            slashes += 1
            continue
        if sign == '"':
            word += "\\" * (slashes // 2)
            begun = True
            if slashes % 2:
                word += '"'
            else:
                quoted = not quoted
        else:
            word += "\\" * slashes
            if sign in {" ", "\t", ""} and (not quoted or sign == ""):
                if word or begun:
                    words.append(word)
                word, begun = "", False
            else:
                word += sign
        slashes = 0
    return words


@dataclass
class Running:
    """A program, what it printed and was not asked for yet."""

    program: "subprocess.Popen[bytes]"
    waiting: dict[str, bytearray] = field(default_factory=lambda: {"stdout": bytearray(), "stderr": bytearray()})
    changed: threading.Condition = field(default_factory=threading.Condition)
    readers: list[threading.Thread] = field(default_factory=list)

    @classmethod
    def start(cls, argv: Sequence[str]) -> "Running":
        pipe = subprocess.PIPE
        running = cls(subprocess.Popen(argv, stdin=pipe, stdout=pipe, stderr=pipe))
        for name in ("stdout", "stderr"):
            thread = threading.Thread(target=running._read, args=(name,), daemon=True)
            running.readers.append(thread)
            thread.start()
        return running

    def _read(self, name: str) -> None:
        pipe = getattr(self.program, name)
        while piece := pipe.read1(65536):
            with self.changed:
                self.waiting[name] += piece
                self.changed.notify_all()
        with self.changed:
            self.changed.notify_all()

    @property
    def over(self) -> bool:
        return not any(reader.is_alive() for reader in self.readers) and self.program.poll() is not None

    def next(self) -> tuple[dict[str, bytes], bool]:
        """What came since; waits for something."""
        with self.changed:
            self.changed.wait_for(lambda: any(self.waiting.values()) or self.over, WAIT_SECONDS)
            over = self.over
            came = {name: bytes(raw) for name, raw in self.waiting.items()}
            for raw in self.waiting.values():
                raw.clear()
        return came, over


SHELLS: dict[str, dict[str, Running]] = {}


def answer(raw: bytes) -> tuple[int, bytes]:
    """Status and envelope for one request."""
    root = ElementTree.fromstring(raw)  # a peer of our own tests

    def text(path: str) -> str:
        found = root.find(path, NAMES)
        return "" if found is None or found.text is None else found.text

    action, relates = text("s:Header/a:Action"), text("s:Header/a:MessageID")
    shell = text("s:Header/w:SelectorSet/w:Selector")
    kind = action.rpartition("/")[2]
    if kind == "Create":
        shell = str(uuid.uuid4()).upper()
        SHELLS[shell] = {}
        selector = f'<w:SelectorSet><w:Selector Name="ShellId">{shell}</w:Selector></w:SelectorSet>'
        return 200, envelope(action, relates, f"{selector}<r:Shell><r:ShellId>{shell}</r:ShellId></r:Shell>")
    if shell not in SHELLS:
        return 500, envelope(action, relates, fault("The shell was not found on the server."))
    if kind == "Command":
        return 200, envelope(action, relates, _command(root, SHELLS[shell]))
    if kind == "Receive":
        return 200, envelope(action, relates, _receive(root, SHELLS[shell]))
    if kind == "Send":
        _send(root, SHELLS[shell])
    if kind == "Signal":
        _signal(root, SHELLS[shell])
    if kind == "Delete":
        SHELLS.pop(shell)
    return 200, envelope(action, relates, f"<r:{kind}Response/>")


def _command(root: ElementTree.Element, running: dict[str, Running]) -> str:
    line = root.find("s:Body/r:CommandLine", NAMES)
    assert line is not None
    program = (line.findtext("r:Command", "", NAMES)).strip('"')
    arguments = " ".join(one.text or "" for one in line.findall("r:Arguments", NAMES))
    number = str(uuid.uuid4()).upper()
    around = ["wine"] if "WINEPREFIX" in os.environ else []
    running[number] = Running.start([*around, program, *words_of(arguments)])
    return f"<r:CommandResponse><r:CommandId>{number}</r:CommandId></r:CommandResponse>"


def _receive(root: ElementTree.Element, running: dict[str, Running]) -> str:
    stream = root.find("s:Body/r:Receive/r:DesiredStream", NAMES)
    assert stream is not None
    number = stream.get("CommandId", "").upper()
    came, over = running[number].next()
    parts = [
        f'<r:Stream Name="{name}" CommandId="{number}">{base64.b64encode(raw).decode()}</r:Stream>'
        for name, raw in came.items()
        if raw
    ]
    state = "Done" if over else "Running"
    code = f"<r:ExitCode>{running[number].program.returncode}</r:ExitCode>" if over else ""
    parts.append(f'<r:CommandState CommandId="{number}" State="{SHELL}/CommandState/{state}">{code}</r:CommandState>')
    return f"<r:ReceiveResponse>{''.join(parts)}</r:ReceiveResponse>"


def _send(root: ElementTree.Element, running: dict[str, Running]) -> None:
    stream = root.find("s:Body/r:Send/r:Stream", NAMES)
    assert stream is not None
    pipe = running[stream.get("CommandId", "").upper()].program.stdin
    assert pipe is not None
    if raw := base64.b64decode(stream.text or ""):
        pipe.write(raw)
        pipe.flush()
    if stream.get("End") == "true":
        pipe.close()


def _signal(root: ElementTree.Element, running: dict[str, Running]) -> None:
    signal = root.find("s:Body/r:Signal", NAMES)
    assert signal is not None
    gone = running.pop(signal.get("CommandId", "").upper(), None)
    if gone is not None:
        gone.program.kill()
        gone.program.wait()


def envelope(action: str, relates: str, body: str) -> bytes:
    spaces = " ".join(f'xmlns:{name}="{address}"' for name, address in NAMES.items())
    head = f"<a:Action>{action}Response</a:Action><a:RelatesTo>{relates}</a:RelatesTo>"
    return f"<s:Envelope {spaces}><s:Header>{head}</s:Header><s:Body>{body}</s:Body></s:Envelope>".encode()


def fault(reason: str) -> str:
    return (
        "<s:Fault><s:Code><s:Value>s:Sender</s:Value></s:Code>"
        f'<s:Reason><s:Text xml:lang="en-US">{reason}</s:Text></s:Reason></s:Fault>'
    )


class Peer(http.server.BaseHTTPRequestHandler):
    """One connection: NTLM first, then encrypted messages only."""

    protocol_version = "HTTP/1.1"
    context: Any = None
    proof: bytes = b""
    """What the client is told last, so that it knows whom it speaks with (Kerberos)."""

    def log_message(self, format: str, *arguments: object) -> None:
        """Silent."""

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.headers.get("Authorization") == MUTUAL:
            status, said = answer(raw) if self._is_mapped() else (401, b"")
            self._send(status, said, "application/soap+xml;charset=UTF-8")
            return
        if (header := self.headers.get("Authorization")) and not self._log_in(*header.split(" ", 1)):
            return
        if self.context is None or not self.context.complete:
            self._send(401, more=[("WWW-Authenticate", "Negotiate")])
        elif ENCRYPTED in self.headers.get("Content-Type", ""):
            self._encrypted(raw)
        else:
            self._send(500 if raw else 200)  # Windows ships with AllowUnencrypted=false

    def _is_mapped(self) -> bool:
        """Whether TLS proved that the client is who may come by certificate."""
        certificate = self.connection.getpeercert() or {}
        names = [value for part in certificate.get("subject", ()) for key, value in part if key == "commonName"]
        return names == [os.environ.get("CLIENT_NAME")]

    def _log_in(self, scheme: str, token: str) -> bool:
        if self.context is None or self.context.complete:
            if "KRB5_KTNAME" in os.environ:
                self.context = spnego.server(hostname="localhost", service="HTTP", protocol="kerberos")
            else:
                protocol = "negotiate" if scheme == "Negotiate" else "ntlm"
                self.context = spnego.server(protocol=protocol, options=spnego.NegotiateOptions.use_ntlm)
        try:
            said = self.context.step(base64.b64decode(token))
        except spnego.exceptions.SpnegoError:
            self.context = None
            self._send(401, more=[("WWW-Authenticate", "Negotiate")])
            return False
        if not self.context.complete:
            self._send(401, more=[("WWW-Authenticate", f"{scheme} {base64.b64encode(said).decode()}")])
        self.proof = said or b""
        return bool(self.context.complete)

    def _encrypted(self, raw: bytes) -> None:
        sealed = raw.split(b"application/octet-stream\r\n", 1)[1].rsplit(f"--{BOUNDARY}--".encode(), 1)[0]
        (header,) = struct.unpack("<I", sealed[:4])
        request = self.context.unwrap_winrm(sealed[4 : 4 + header], sealed[4 + header :])
        status, said = answer(request)
        wrapped = self.context.wrap_winrm(said)
        length = len(said) + wrapped.padding_length
        head = (
            f"--{BOUNDARY}\r\n\tContent-Type: application/HTTP-SPNEGO-session-encrypted\r\n"
            f"\tOriginalContent: type=application/soap+xml;charset=UTF-8;Length={length}\r\n"
            f"--{BOUNDARY}\r\n\tContent-Type: application/octet-stream\r\n"
        ).encode()
        body = struct.pack("<I", len(wrapped.header)) + wrapped.header + wrapped.data
        kind = f'{ENCRYPTED};protocol="application/HTTP-SPNEGO-session-encrypted";boundary="{BOUNDARY}"'
        self._send(status, head + body + f"--{BOUNDARY}--\r\n".encode(), kind)

    def _send(
        self, status: int, body: bytes = b"", kind: str = "text/plain", more: Sequence[tuple[str, str]] = ()
    ) -> None:
        self.send_response(status)
        if self.proof:
            more = [*more, ("WWW-Authenticate", f"Negotiate {base64.b64encode(self.proof).decode()}")]
            self.proof = b""
        for name, value in (*more, ("Content-Type", kind), ("Content-Length", str(len(body)))):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    """Each connection in a thread."""

    daemon_threads = True


def main(words: Sequence[str]) -> None:
    server = Server(("127.0.0.1", int(words[0])), Peer)
    if len(words) == 3:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(words[1], words[2])
        if "CLIENT_CA" in os.environ:
            context.load_verify_locations(os.environ["CLIENT_CA"])
            context.verify_mode = ssl.CERT_OPTIONAL
        server.socket = context.wrap_socket(server.socket, server_side=True)
    server.serve_forever()


if __name__ == "__main__":
    main(sys.argv[1:])
