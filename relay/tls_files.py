"""The relay's TLS certificate while it serves: one that was renewed is shown to whoever connects from then on.

Rule: what is not whole (a certificate whose key has not come yet, a key open to others) is not used; the one of before
stays, and the log says so once. Connections that are open keep what they agreed on.
"""

import ssl
from pathlib import Path

import structlog

from relay.links.front_door import load_tls
from remote_assist.errors import AssistError


class TlsFiles:
    """Certificate chain and key of one relay. `context` is None for plain HTTP."""

    def __init__(self, cert: Path | None, key: Path | None) -> None:
        """Raises UsageError, ContentError as `load_tls`."""
        self._cert = cert
        self._key = key
        self._stamp = self._stamped()
        self.context = load_tls(cert, key)

    def refresh(self) -> bool:
        """Use files that changed; whether something new is in force."""
        stamp = self._stamped()
        if self.context is None or stamp == self._stamp:
            return False
        self._stamp = stamp
        try:
            load_tls(self._cert, self._key)  # whole, before the one in use is touched
            assert self._cert is not None
            self.context.load_cert_chain(self._cert, self._key)
        except (AssistError, OSError, ssl.SSLError) as error:
            structlog.get_logger("tls").error("certificate-refused", cause=getattr(error, "message", str(error)))
            return False
        structlog.get_logger("tls").info("certificate-taken")
        return True

    def _stamped(self) -> tuple[tuple[int, int, int], ...]:
        return tuple(_stamp(path) for path in (self._cert, self._key) if path is not None)


def _stamp(path: Path) -> tuple[int, int, int]:
    try:
        found = path.stat()
    except OSError:
        return 0, 0, 0
    return found.st_mtime_ns, found.st_size, found.st_ino
