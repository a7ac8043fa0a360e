"""Certificates that web servers use: files their configuration names, and what local TLS listeners present.

Only certificates are kept. Directives and files of private keys are never read.
"""

import asyncio
import re
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from remote_assist.core.target import TlsProbe
from remote_assist.diagnostics.collectors_linux.sockets import listeners
from remote_assist.diagnostics.look import Gathered, Look, Unavailable, together
from remote_assist.diagnostics.socket_tables import Listener

HELLO_SECONDS = 0.5
MAX_PORTS = 32
MAX_FILES = 50
AT_ONCE = 16
NEVER_TLS = frozenset({22, 25, 53, 67, 68, 80, 111, 123, 631, 3306, 5353, 5432, 6379, 11211, 27017})
"""Ports whose protocol does not begin with a TLS hello; asking there only fills their logs."""

CONFIGURATION_FOLDERS = (
    "/etc/nginx",
    "/etc/nginx/conf.d",
    "/etc/nginx/sites-enabled",
    "/etc/apache2",
    "/etc/apache2/sites-enabled",
    "/etc/apache2/conf-enabled",
    "/etc/httpd/conf",
    "/etc/httpd/conf.d",
)
_DIRECTIVE = re.compile(r"(?im)^\s*(?:ssl_certificate|SSLCertificateFile)\s+[\"']?(/[^\s;\"']{1,400})")
_BLOCK = re.compile(r"-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]{1,20000}-----END CERTIFICATE-----")


async def certificates(look: Look) -> Gathered:
    """One row a certificate; `in_use`: a server presents it or its configuration names it."""
    from_files, from_listeners = await together((_of_files(look), _of_listeners(look)))
    return Gathered(from_files + from_listeners)


async def _of_files(look: Look) -> list[dict[str, object]]:
    named: dict[str, None] = {}
    for folder in CONFIGURATION_FOLDERS:
        for entry in await look.folder(folder, max_entries=200):
            if entry.kind in {"file", "link"} and not entry.path.endswith((".key", ".pem")):
                named.update(dict.fromkeys(certificate_paths(await _followed(look, entry.path))))
    rows = []
    for path in list(named)[:MAX_FILES]:
        found = _BLOCK.search(await _followed(look, path))
        if found:
            leaf = x509.load_pem_x509_certificate(found[0].encode())
            rows.append({**describe(leaf, look.now), "path": path, "source": "file", "port": 0})
    return rows


def certificate_paths(configuration: str) -> list[str]:
    """Files that nginx's ssl_certificate and Apache's SSLCertificateFile name."""
    return _DIRECTIVE.findall(configuration)


async def _followed(look: Look, path: str) -> str:
    """Server configurations and certbot's certificates are links as a rule."""
    try:
        return await look.text_or(path) or await look.linked(path)
    except Unavailable:
        return ""


async def _of_listeners(look: Look) -> list[dict[str, object]]:
    target = look.target
    if not isinstance(target, TlsProbe):
        return []
    found = [each for each in await look.once("listeners", listeners) if _worth_asking(each)]
    slots = asyncio.Semaphore(AT_ONCE)
    rows = await together(_ask(look, target, each, slots) for each in found[:MAX_PORTS])
    return [row for row in rows if row]


def _worth_asking(each: Listener) -> bool:
    local = each.address in {"0.0.0.0", "::"} or each.address.startswith("127.") or each.address == "::1"  # noqa: S104
    return each.protocol == "tcp" and local and each.port not in NEVER_TLS


async def _ask(look: Look, probe: TlsProbe, each: Listener, slots: asyncio.Semaphore) -> dict[str, object]:
    host = each.address if each.address not in {"0.0.0.0", "::"} else "127.0.0.1"  # noqa: S104
    async with slots:
        der = await probe.tls_certificate(host, each.port, HELLO_SECONDS)
    if not der:
        return {}
    try:
        leaf = x509.load_der_x509_certificate(der)
    except ValueError:
        return {}
    where = f"port {each.port}" + (f" ({each.process})" if each.process else "")
    return {**describe(leaf, look.now), "path": where, "source": "listener", "port": each.port}


def describe(leaf: x509.Certificate, now: datetime) -> dict[str, object]:
    """What matters of a certificate. Days are left or, negative, gone."""
    ends = leaf.not_valid_after_utc
    return {
        "subject": leaf.subject.rfc4514_string() or "(no subject)",
        "issuer": leaf.issuer.rfc4514_string(),
        "not_before": _stamp(leaf.not_valid_before_utc),
        "not_after": _stamp(ends),
        "days_left": round((ends - now).total_seconds() / 86400, 1),
        "self_signed": leaf.subject == leaf.issuer,
        "in_use": True,
        "size_bytes": len(leaf.public_bytes(Encoding.DER)),
    }


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
