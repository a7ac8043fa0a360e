"""Host keys of machines behind the customer's: confirmed by the customer once, pinned from then on.

    HOME/hop-keys.json      0600; {"db.example.com:22": ["ssh-ed25519 AAAA…"]}

Rule 1: a key counts only because the customer said so, here or earlier in their own ~/.ssh/known_hosts. Rule 2: a
machine whose key is known and differs is refused; nobody is asked whether to go on.
"""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from remote_assist.core.wishes import Endpoint
from remote_assist.errors import ContentError
from remote_assist.transport.hops.known_hosts import keys_of
from remote_assist.transport.private_files import read_private, write_private

MAX_BYTES = 1 << 20


class HopKeys:
    """The pinned keys of one agent's state folder."""

    def __init__(self, home: Path, customers_own: Path | None) -> None:
        self._path = home / "hop-keys.json"
        self._own = customers_own

    def known(self, endpoint: Endpoint) -> Sequence[str]:
        """Public key lines this machine may show; empty when it was never seen. Raises ContentError."""
        return self._pinned().get(str(endpoint), []) or keys_of(self._own, endpoint)

    def pin(self, endpoint: Endpoint, line: str) -> None:
        """Take this key, and only this one, from now on."""
        pinned = {**self._pinned(), str(endpoint): [line]}
        write_private(self._path, msgspec.json.format(msgspec.json.encode(pinned), indent=1))

    def _pinned(self) -> dict[str, list[str]]:
        try:
            return msgspec.json.decode(read_private(self._path, MAX_BYTES), type=dict[str, list[str]])
        except FileNotFoundError:
            return {}
        except msgspec.DecodeError as error:
            fault = f"{self._path} is damaged: {error}"
            raise ContentError(fault, advice="Look at it before you remove it.") from error
