"""How both ends name the relay and the way to it: --relay (repeatable), --proxy, --ca-file, or the environment."""

import argparse
from collections.abc import Mapping
from pathlib import Path

from remote_assist.core.codes import relay_origin

RELAY_VARIABLE = "REMOTE_ASSIST_RELAY"
"""Names the relay when --relay does not; several addresses are separated by commas."""


def add_relay_options(parser: argparse.ArgumentParser, *, otherwise: str = "") -> None:
    """--relay, --proxy, --ca-file. `otherwise`: where the relay comes from when nothing names it."""
    parser.add_argument(
        "--relay",
        metavar="URL",
        action="append",
        help=f"the relay (else ${RELAY_VARIABLE}{otherwise}); repeat it for further addresses, tried in turn",
    )
    parser.add_argument("--proxy", metavar="URL", help="reach it through this proxy: http://, socks5h://")
    parser.add_argument("--ca-file", metavar="FILE", type=Path, help="TLS certificates to trust for the relay")


def relay_origins(arguments: argparse.Namespace, environment: Mapping[str, str]) -> tuple[str, ...]:
    """The relay's addresses in order, none when nothing names it. Raises UsageError for one that is none."""
    named: list[str] = getattr(arguments, "relay", None) or [environment.get(RELAY_VARIABLE, "")]
    words = [word.strip() for text in named for word in text.split(",")]
    return tuple(dict.fromkeys(relay_origin(word) for word in words if word))


def proxy_url(arguments: argparse.Namespace) -> str:
    """The proxy that was named, or "". Raises UsageError for one that is none."""
    from remote_assist.transport.proxies import check_proxy

    named: str | None = getattr(arguments, "proxy", None)
    return check_proxy(named) if named else ""
