"""What a stock OpenSSH needs to reach a session: a host entry, and the agent's host key in a file of its own.

Rule: nothing of the user's own ssh configuration decides about keys here; both are pinned by the pairing.
"""

import os
import shlex
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

from remote_assist.errors import ContentError, UsageError
from remote_assist.technician.session_folder import SessionFolder
from remote_assist.transport.private_files import read_private, write_private

MARK = "# remote-assist: this file is written by `remote-assist ssh-config`\n"
"""First line of a file we may replace."""

KEY_EXCHANGES = ("mlkem768x25519-sha256", "curve25519-sha256")
"""What the agent takes, best first; an ssh that does not know the first is only given the second."""

CIPHERS = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "chacha20-poly1305@openssh.com")
USER = "technician"


def host_entry(
    folder: SessionFolder, proxy: Sequence[str], *, environment: Mapping[str, str], known: Sequence[str], now: datetime
) -> str:
    """The entry for one session; writes its `known_hosts` (0600) into the session's folder.

    `proxy` is the command ssh runs, `environment` what it must find there, `known` the key exchanges this machine's
    ssh knows (empty: not known). Raises RefusedError when the session is over, UsageError for a path ssh cannot take.
    """
    folder.check_usable(now)
    facts = folder.facts()
    hosts = folder.path / "known_hosts"
    write_private(hosts, f"{facts.session} {facts.host_key}\n".encode())
    command = shlex.join([*(["env"] if environment else []), *(f"{k}={v}" for k, v in environment.items()), *proxy])
    exchanges = [name for name in KEY_EXCHANGES if name in known] or KEY_EXCHANGES[-1:]
    options = {
        "HostName": facts.session,
        "HostKeyAlias": facts.session,
        "User": USER,
        "ProxyCommand": command.replace("%", "%%"),
        "UserKnownHostsFile": _path(hosts),
        "GlobalKnownHostsFile": "/dev/null",
        "StrictHostKeyChecking": "yes",
        "UpdateHostKeys": "no",
        "CheckHostIP": "no",
        "VerifyHostKeyDNS": "no",
        "HostKeyAlgorithms": "ssh-ed25519",
        "KexAlgorithms": ",".join(exchanges),
        "Ciphers": ",".join(CIPHERS),
        "Compression": "no",
        "IdentityFile": _path(folder.path / "session_key"),
        "IdentitiesOnly": "yes",
        "IdentityAgent": "none",
        "PreferredAuthentications": "publickey",
        "PasswordAuthentication": "no",
        "KbdInteractiveAuthentication": "no",
        "ForwardAgent": "no",
        "ForwardX11": "no",
        "ServerAliveInterval": "0",
        "TCPKeepAlive": "no",
    }
    lines = [f"# ticket {_comment(facts.ticket)}; until {facts.ends_at():%Y-%m-%d %H:%M} UTC", f"Host {facts.session}"]
    return "\n".join([*lines, *(f"    {name} {value}" for name, value in options.items())]) + "\n"


def write_config(path: Path, entry: str) -> None:
    """Make `path` hold exactly this entry (0600). Raises UsageError when a file that is not ours is there."""
    try:
        ours = read_private(path).startswith(MARK.encode())
    except FileNotFoundError:
        ours = True
    except ContentError:
        ours = False
    if not ours:
        raise UsageError(
            f"{path} is not a file that `ssh-config` wrote, so it stays as it is",
            advice="Name another file, and add `Include FILE` at the top of your ~/.ssh/config.",
        )
    write_private(path, (MARK + entry).encode())


def _path(path: Path) -> str:
    """A path as ssh_config takes it: in quotes, its percent signs doubled."""
    text = os.fspath(path.absolute())
    if any(sign in text for sign in '"\\\n$'):
        raise UsageError(f"ssh cannot take the path {text}", advice="Set REMOTE_ASSIST_HOME to a plainer folder.")
    return f'"{text.replace("%", "%%")}"'


def _comment(text: str) -> str:
    return "".join(sign for sign in text if sign.isascii() and sign.isprintable())[:80]
