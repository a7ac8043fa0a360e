"""What a person's own ssh already knows of a machine: keys of ~/.ssh/known_hosts, read and never written."""

from collections.abc import Sequence
from pathlib import Path

from remote_assist.core.wishes import Endpoint

MAX_BYTES = 4 << 20
SSH_PORT = 22


def keys_of(path: Path | None, endpoint: Endpoint) -> Sequence[str]:
    """Public key lines of `endpoint` in a known_hosts file; empty where there is none, or it is no such file."""
    import paramiko  # only here: an agent without hops has no need of it

    hosts = paramiko.HostKeys()
    try:
        if path is None or path.stat().st_size > MAX_BYTES:
            return []
        hosts.load(str(path))
    except (OSError, ValueError, paramiko.SSHException):
        return []
    name = endpoint.host if endpoint.port == SSH_PORT else f"[{endpoint.host}]:{endpoint.port}"
    found = hosts.lookup(name)
    return [f"{key.get_name()} {key.get_base64()}" for key in found.values()] if found else []
