"""A time-stamping authority on loopback: stock `openssl ts` behind a tiny web server."""

import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Self

from tests.programs import needs

CONFIGURATION = """
[req]
distinguished_name = name
[name]
[ca]
basicConstraints = critical,CA:TRUE
[stamping]
extendedKeyUsage = critical,timeStamping
keyUsage = critical,digitalSignature
[tsa]
default_tsa = it
[it]
serial = serial
signer_cert = tsa.pem
signer_key = tsa.key
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256, sha512
accuracy = secs:1
ess_cert_id_chain = no
ess_cert_id_alg = sha256
"""


class StampServer:
    """Use as `with`. `stamps`: whether it answers with a token, or refuses."""

    def __init__(self, folder: Path, name: str = "Example Time") -> None:
        self.folder = folder
        self.stamps = True
        self.ca = folder / "ca.pem"
        self._openssl = needs("openssl")
        folder.mkdir()
        (folder / "openssl.cnf").write_text(CONFIGURATION)
        (folder / "serial").write_text("01\n")
        new = ["req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-config", "openssl.cnf"]
        ca = ["-x509", "-days", "9", "-extensions", "ca", "-keyout", "ca.key", "-out", "ca.pem"]
        self._run(*new, *ca, "-subj", f"/CN={name} CA")
        self._run(*new, "-keyout", "tsa.key", "-out", "tsa.csr", "-subj", f"/CN={name} Stamps")
        signing = ["-req", "-in", "tsa.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "9"]
        self._run("x509", *signing, "-extfile", "openssl.cnf", "-extensions", "stamping", "-out", "tsa.pem")

    def __enter__(self) -> Self:
        outer = self

        class Answers(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                outer._answer(self)

            def log_message(self, format: str, *args: object) -> None:
                """Nothing is to be said."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
        self.url = f"http://127.0.0.1:{self._server.server_port}/tsr?key=secret"
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(60)

    def stamp(self, query: bytes) -> bytes:
        """The authority's answer to a request."""
        (self.folder / "query").write_bytes(query)
        self._run("ts", "-reply", "-config", "openssl.cnf", "-queryfile", "query", "-out", "reply")
        return (self.folder / "reply").read_bytes()

    def verifies(self, note: Path, token: Path) -> bool:
        """Whether stock openssl takes a token for a file."""
        words = ["ts", "-verify", "-data", str(note), "-in", str(token), "-CAfile", str(self.ca)]
        done = subprocess.run([self._openssl, *words], cwd=self.folder, capture_output=True)
        return done.returncode == 0

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        query = request.rfile.read(int(request.headers["Content-Length"]))
        body = self.stamp(query) if self.stamps else b""
        request.send_response(200 if self.stamps else 503)
        request.send_header("Content-Type", "application/timestamp-reply")
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    def _run(self, *words: str) -> None:
        subprocess.run([self._openssl, *words], cwd=self.folder, check=True, capture_output=True)
