"""One logged-in WSMan connection with its shell. Blocks; one thread at a time.

Rule 1: message encryption is always on and Basic is never offered, so a password crosses no network readably. Without
a password the log-in is by Kerberos, with the ticket that this computer's user has; or by a client certificate, which
is for HTTPS only: there TLS alone encrypts, and nothing secret is sent.
Rule 2: HTTPS goes to the address that was judged, with the certificate of the name.
Rule 3: programs are started without cmd.exe, by an argv whose words are quoted as Windows programs take them apart.
"""

import logging
import ssl
import subprocess
import threading
import time
from collections.abc import Sequence
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from winrm.exceptions import WinRMOperationTimeoutError
from winrm.protocol import Protocol
from winrm.transport import HAVE_KERBEROS

from remote_assist.core.target import Command, Completed
from remote_assist.core.wishes import HopPlace
from remote_assist.errors import RefusedError
from remote_assist.transport.outward import Pinned

PLAIN_PORT = 5985
"""HTTP: the only plain port that is ever used, every message encrypted by NTLM or Kerberos."""

logging.getLogger("winrm").setLevel(logging.CRITICAL + 1)  # it would print its own tracebacks on the customer's screen

POLL_SECONDS = 10
READ_SECONDS = 30
UTF8_CODE_PAGE = 65001


class Connection:
    """One logged-in WSMan connection with its shell."""

    def __init__(self, place: HopPlace, pinned: Pinned, password: str, trust: str, certificate: str = "") -> None:
        """`certificate`: a file of the client's certificate and key, in place of a password. Raises RefusedError where
        it would go over plain HTTP.
        """
        host, port = pinned.endpoint.host, pinned.endpoint.port
        address = pinned.addresses[0]
        scheme = "http" if port == PLAIN_PORT else "https"
        if certificate and scheme == "http":
            raise RefusedError("a client certificate is for HTTPS only", reason="credentials")
        self._protocol = Protocol(
            endpoint=f"{scheme}://{f'[{address}]' if ':' in address else address}:{port}/wsman",
            transport="certificate" if certificate else "ntlm" if password else "kerberos",
            cert_pem=certificate or None,
            cert_key_pem=certificate or None,
            username=place.user,
            password=password or None,
            kerberos_hostname_override=host,
            server_cert_validation="validate",
            ca_trust_path=trust or system_trust(),
            message_encryption="never" if certificate else "always",
            read_timeout_sec=READ_SECONDS,
            operation_timeout_sec=POLL_SECONDS,
            proxy=None,
        )
        if certificate:
            _to_pinned(self._protocol.transport.build_session(), host)  # which sends nothing yet
        else:
            _pin(self._protocol.transport, host)
        self.shell: str = self._protocol.open_shell(codepage=UTF8_CODE_PAGE)

    def begin(self, argv: Sequence[str]) -> str:
        """Start a program; answer the number it goes by in this connection's shell."""
        program, *words = argv  # no environment: WinRS has one for a whole shell, and Windows knows no LC_ALL
        line = subprocess.list2cmdline(words)
        return self._protocol.run_command(self.shell, program, [line] if line else [], skip_cmd_shell=True)

    def next_output(self, number: str) -> tuple[bytes, bytes, int, bool]:
        """(standard output, standard error, status, whether it is over); waits `POLL_SECONDS` at most."""
        try:
            return self._protocol.get_command_output_raw(self.shell, number)
        except WinRMOperationTimeoutError:
            return b"", b"", -1, False

    def send(self, shell: str, number: str, raw: bytes, *, end: bool) -> None:
        """Standard input for a program, whichever connection started it."""
        self._protocol.send_command_input(shell, number, raw, end=end)

    def end(self, shell: str, number: str) -> None:
        """End a program, should it still run, and forget it."""
        self._protocol.cleanup_command(shell, number)

    def run(self, command: Command, stop: threading.Event) -> Completed:
        """Run a program to its end, its deadline, or until `stop`."""
        began = time.monotonic()
        number = self.begin(command.argv)
        kept, cut, timed_out, status = (bytearray(), bytearray()), False, False, -1
        while True:
            out, err, status, over = self.next_output(number)
            for stream, raw in zip(kept, (out, err), strict=True):
                room = command.max_bytes - len(stream)
                stream += raw[: max(0, room)]
                cut = cut or len(raw) > room
            timed_out = not over and (stop.is_set() or time.monotonic() - began > command.timeout_seconds)
            if over or timed_out:
                break
        self.end(self.shell, number)
        return Completed(status, bytes(kept[0]), bytes(kept[1]), time.monotonic() - began, cut, timed_out)


def takes_tickets(place: HopPlace) -> bool:
    """Whether Kerberos can be tried for this user (`name@REALM`) at this computer at all."""
    return HAVE_KERBEROS and "@" in place.user


def system_trust() -> str:
    """Where this system keeps the authorities it trusts; requests would bring a list of its own."""
    paths = ssl.get_default_verify_paths()
    return paths.cafile or paths.capath or str(requests.certs.where())  # type: ignore[attr-defined]  # it is there


def _pin(transport: Any, host: str) -> None:
    """Have HTTPS go to the pinned address from the first request on.

    pywinrm makes its session and sends a first message in one breath; this is the one place in between. Should the
    name go, every connection fails because the certificate is not that of an address.
    """
    begin = transport.setup_encryption

    def pinned(session: requests.Session, *more: Any) -> None:
        _to_pinned(session, host)
        begin(session, *more)

    transport.setup_encryption = pinned


def _to_pinned(session: requests.Session, host: str) -> None:
    session.trust_env = False
    session.mount("https://", _ToPinned(host))


class _ToPinned(HTTPAdapter):
    """HTTPS to a pinned address whose certificate must be that of the name."""

    def __init__(self, host: str) -> None:
        self._host = host
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs, assert_hostname=self._host, server_hostname=self._host)
