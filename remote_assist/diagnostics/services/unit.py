"""What a service is, and what is asked of whoever keeps services here.

Rule: services that give remote access are looked at but never stopped (`is_remote_access`).
"""

import re
from dataclasses import dataclass
from typing import Protocol

from remote_assist.core.target import MutableTarget

LOG_LINES = 20
STATES = ("active", "inactive", "failed", "activating", "unknown")
ADDRESS_IN_USE = re.compile(r"(?i)address already in use|EADDRINUSE|errno 98\b|could not bind to address")
_PORT = re.compile(
    r"(?i)(?:bind|listen|address)[^\n]{0,120}?(?::|port[ =:]+|, ?)(?P<port>\d{2,5})\b"
    r"|:(?P<other>\d{2,5})\)?:? .{0,40}in use"
)
_REMOTE_ACCESS = re.compile(
    r"(?i)(?:sshd?|sshd-session|dropbear[\w-]*|openssh[\w-]*|remote-assist[\w-]*|telnetd|inetd|xinetd"
    r"|xrdp[\w-]*|x11vnc|\w*vnc(?:server)?[\w-]*|gnome-remote-desktop|krfb|nxserver|x2go\w*"
    r"|tailscaled?|zerotier-one|openvpn[\w-]*|wg-quick|wireguard[\w-]*|strongswan[\w-]*|cloudflared|frpc|ngrok"
    r"|teamviewerd?|anydesk|rustdesk|meshagent|screenconnect[\w-]*|cockpit[\w-]*"
    r"|wpa_supplicant|iwd|NetworkManager|networking|network-manager|connman|dhcpcd|dhclient"
    r"|systemd-networkd|systemd-resolved|systemd-logind|dbus(?:-broker)?"
    r"|TermService|UmRdpService|SessionEnv|WinRM|Dhcp|Dnscache|NlaSvc|LanmanServer|BFE|MpsSvc|WlanSvc"
    r"|com\.openssh\.sshd|com\.apple\.(?:screensharing|RemoteDesktop)[\w.]*)"
    r"(?:@[^/]*)?(?:\.(?:service|socket|exe))?"
)
"""Programs and services that let somebody in, or carry the network they come over. Case does not matter."""


@dataclass(frozen=True, slots=True)
class Unit:
    """A service as a person would describe it. `names` are all it answers to; `log` its last lines."""

    name: str
    state: str
    pid: int = 0
    port: int = 0
    names: tuple[str, ...] = ()
    log: tuple[str, ...] = ()


class ServiceBackend(Protocol):
    """One way of keeping services. Names not known here have state `unknown`."""

    name: str
    needs_root: bool

    async def units(self) -> list[Unit]:
        """Active and failed services, failed ones with their last log lines."""

    async def unit(self, name: str) -> Unit:
        """One service now."""

    async def unit_of(self, pid: int) -> str:
        """The service a process belongs to, or empty."""

    async def act(self, target: MutableTarget, name: str, verb: str, timeout_seconds: float) -> None:
        """start, stop, restart or reload; returns when it is so. Raises AssistError when it is not in time."""


def is_remote_access(*names: str) -> bool:
    """Whether stopping any of these would cut somebody off: ssh, this program, the network itself."""
    return any(_REMOTE_ACCESS.fullmatch(name.rpartition("/")[2]) for name in names)


def port_in_use(lines: tuple[str, ...]) -> int:
    """The port a log says is taken, or 0."""
    for line in reversed(lines):
        if ADDRESS_IN_USE.search(line):
            match = _PORT.search(line)
            if match:
                return int(match["port"] or match["other"])
    return 0
