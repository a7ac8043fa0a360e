"""The way to a machine behind the agent's, by SSH: its host key is judged first, only then is anybody logged in.

Rule 1: paramiko blocks, so every call of it runs in a thread of the hop's own pool.
Rule 2: secrets are arguments: nothing here stores, logs or repeats one.
"""

import asyncio
import contextlib
import logging
import socket
import threading
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field

import paramiko
from paramiko import Transport

from remote_assist.core.wishes import HopPlace
from remote_assist.errors import RefusedError, UnreachableError
from remote_assist.transport.outward import CONNECT_SECONDS, Pinned

HANDSHAKE_SECONDS = 20.0
LOGIN_SECONDS = 20.0
MAX_AGENT_KEYS = 4
"""Keys of the customer's ssh-agent that are tried; servers end a connection after six attempts."""

__all__ = ["HopConnection", "Secret", "Transport", "open_connection"]

logging.getLogger("paramiko").setLevel(logging.CRITICAL + 1)  # it would print servers' words on the customer's screen

PREFERRED_KEY_TYPES = ("ssh-ed25519", "ecdsa-sha2-nistp256", "rsa-sha2-512", "rsa-sha2-256")


@dataclass(frozen=True, slots=True)
class Secret:
    """A password on its way to one log-in. It has no text form."""

    password: str = field(repr=False)


class HopConnection:
    """A connection whose host key is known and may be looked at, not logged in yet."""

    def __init__(self, place: HopPlace, transport: Transport, pool: Executor) -> None:
        self.place = place
        self._transport = transport
        self._pool = pool

    @property
    def host_key(self) -> str:
        """The public key line the machine proved to hold."""
        key = self._transport.get_remote_server_key()
        return f"{key.get_name()} {key.get_base64()}"

    async def log_in(self, secret: Secret | None, *, use_agent: bool) -> Transport:
        """Log in with the customer's ssh-agent (`use_agent`) or a password. Raises RefusedError (`credentials`)."""
        try:
            await asyncio.get_running_loop().run_in_executor(self._pool, self._log_in, secret, use_agent)
        except paramiko.AuthenticationException as error:
            raise RefusedError(
                f"{self.place} does not take these credentials", reason="credentials", advice=_CREDENTIALS
            ) from error
        except (paramiko.SSHException, OSError, EOFError) as error:
            raise _gone(self.place, error) from error
        return self._transport

    def close(self) -> None:
        """Hang up. Returns at once."""
        self._transport.close()

    def _log_in(self, secret: Secret | None, use_agent: bool) -> None:
        self._transport.auth_timeout = LOGIN_SECONDS
        if secret is not None:
            self._transport.auth_password(self.place.user, secret.password)
            return
        refused: paramiko.AuthenticationException | None = None
        for key in _agent_keys() if use_agent else ():
            try:
                self._transport.auth_publickey(self.place.user, key)
                return
            except paramiko.AuthenticationException as error:
                refused = error
        raise refused or paramiko.AuthenticationException("nothing to log in with")


async def open_connection(pinned: Pinned, place: HopPlace, known_types: Sequence[str], pool: Executor) -> HopConnection:
    """Connect and exchange keys. `known_types`: types of host key already known, asked for first.

    Raises UnreachableError.
    """
    loop = asyncio.get_running_loop()
    try:
        transport = await loop.run_in_executor(pool, _handshake, pinned, known_types)
    except (paramiko.SSHException, OSError, EOFError) as error:
        raise _gone(place, error) from error
    return HopConnection(place, transport, pool)


def _handshake(pinned: Pinned, known_types: Sequence[str]) -> Transport:
    peer = _connect(pinned)
    transport = Transport(peer)
    try:  # ciphers that authenticate come first: the others cost paramiko a loop in Python over each packet's code
        transport.banner_timeout = HANDSHAKE_SECONDS
        options = transport.get_security_options()
        wanted = [*known_types, *PREFERRED_KEY_TYPES]
        options.key_types = sorted(options.key_types, key=lambda name: wanted.index(name) if name in wanted else 99)
        options.ciphers = sorted(options.ciphers, key=lambda name: "gcm" not in name)
        started = threading.Event()
        transport.start_client(started)
        if not started.wait(HANDSHAKE_SECONDS):
            raise TimeoutError(f"it did not answer within {HANDSHAKE_SECONDS:g} s")
        if not transport.is_active():
            raise transport.get_exception() or paramiko.SSHException("it speaks no SSH")
    except BaseException:
        transport.close()
        raise
    transport.set_keepalive(15)
    return transport


def _connect(pinned: Pinned) -> socket.socket:
    failure: OSError = ConnectionRefusedError("no address")
    for address in pinned.addresses:
        try:
            peer = socket.create_connection((address, pinned.endpoint.port), timeout=CONNECT_SECONDS)
        except OSError as error:
            failure = error
            continue
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return peer
    raise failure


def _agent_keys() -> Sequence[paramiko.AgentKey]:
    with contextlib.suppress(paramiko.SSHException, OSError):
        return paramiko.Agent().get_keys()[:MAX_AGENT_KEYS]
    return ()


_CREDENTIALS = "The customer can load the right key into their ssh-agent, or type the password at their own screen."


def _gone(place: HopPlace, error: BaseException) -> UnreachableError:
    cause = getattr(error, "strerror", "") or str(error) or type(error).__name__
    return UnreachableError(f"{place} cannot be reached from the customer's machine: {cause[:200]}")
