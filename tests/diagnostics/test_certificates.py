"""Certificates of real TLS servers and of the files that web-server configurations name."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from remote_assist.core.catalog.model import Catalog
from remote_assist.core.findings import evaluate
from remote_assist.core.target import FileStatus, TlsProbe
from remote_assist.diagnostics.collect import collect_facts
from remote_assist.diagnostics.collectors_linux.tls import certificate_paths
from tests.diagnostics.conftest import free_port, now
from tests.diagnostics.real_target import RealTarget


def certificate(folder: Path, days_left: float) -> tuple[Path, Path]:
    key = generate_private_key(SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "www.example.com")])
    ends = now() + timedelta(days=days_left)
    leaf = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(ends - timedelta(days=90))
        .not_valid_after(ends)
        .sign(key, SHA256())
    )
    cert, private = folder / "site.crt", folder / "site.key"
    cert.write_bytes(leaf.public_bytes(Encoding.PEM))
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return cert, private


@asynccontextmanager
async def tls_server(folder: Path, days_left: float) -> AsyncIterator[int]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate(folder, days_left))

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    port = free_port()
    server = await asyncio.start_server(serve, "127.0.0.1", port, ssl=context)
    try:
        yield port
    finally:
        server.close()
        await server.wait_closed()


@asynccontextmanager
async def silent_server() -> AsyncIterator[int]:
    """Accepts and says nothing, as many services do."""
    release = asyncio.Event()

    async def wait(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await release.wait()
        writer.close()

    port = free_port()
    server = await asyncio.start_server(wait, "127.0.0.1", port)
    try:
        yield port
    finally:
        release.set()
        server.close()
        await server.wait_closed()


async def rows(catalog: Catalog, target: RealTarget) -> list[dict[str, object]]:
    found = await collect_facts(catalog, ["certificates"], target, clock=now)
    facts = found.facts["certificates"]
    assert isinstance(facts, list)
    return facts


async def test_an_expired_certificate_of_a_real_listener_is_found(
    catalog: Catalog, target: RealTarget, tmp_path: Path
) -> None:
    async with tls_server(tmp_path, days_left=-3) as port:
        found = await collect_facts(catalog, ["certificates"], target, clock=now)
    finding = next(
        each
        for each in evaluate(catalog, found.facts, statuses=found.statuses)
        if each.issue == "linux.tls.certificate-expired" and f"port {port}" in each.message
    )
    assert finding.outcome == "fail"
    assert finding.severity == "critical"
    assert "CN=www.example.com" in finding.message


@pytest.mark.parametrize(("days_left", "outcome"), [(5, "warn"), (60, "pass")])
async def test_days_left_decide(
    catalog: Catalog, target: RealTarget, tmp_path: Path, days_left: int, outcome: str
) -> None:
    async with tls_server(tmp_path, days_left) as port:
        facts = {"certificates": [row for row in await rows(catalog, target) if row["port"] == port]}
    assert [round(float(str(row["days_left"]))) for row in facts["certificates"]] == [days_left]
    found = evaluate(catalog, facts, all_outcomes=True)
    assert [each.outcome for each in found if each.issue == "linux.tls.certificate-expired"] == [outcome]


async def test_a_silent_listener_costs_half_a_second_and_is_no_row(
    catalog: Catalog, target: RealTarget, tmp_path: Path
) -> None:
    async with silent_server() as silent, tls_server(tmp_path, days_left=60) as port:
        ports = {row["port"] for row in await rows(catalog, target)}
    assert port in ports
    assert silent not in ports


async def test_files_that_a_configuration_names_are_read_and_their_keys_are_not(
    catalog: Catalog, tmp_path: Path
) -> None:
    cert, key = certificate(tmp_path, days_left=-1)
    site = tmp_path / "site.conf"
    site.write_text(f"server {{\n  ssl_certificate {cert};\n  ssl_certificate_key {key};\n}}\n")

    class Configured(RealTarget):
        async def list(self, path: str, *, max_entries: int) -> list[FileStatus]:
            if path == "/etc/nginx/conf.d":
                return [FileStatus(str(site), "file", 10, 0o644, 0.0)]
            return await super().list(path, max_entries=max_entries)

    target = Configured()
    found = [row for row in await rows(catalog, target) if row["source"] == "file" and row["path"] == str(cert)]
    assert len(found) == 1
    assert float(str(found[0]["days_left"])) == -1.0
    assert str(key) not in " ".join(" ".join(act) for act in target.log)


def test_directives_of_nginx_and_apache_are_understood() -> None:
    text = (
        "  ssl_certificate /etc/a.pem;\n# ssl_certificate /no;\nssl_certificate_key /etc/a.key;\n"
        'SSLCertificateFile "/etc/b.crt"\nSSLCertificateKeyFile /etc/b.key\nssl_certificate $variable;\n'
    )
    assert certificate_paths(text) == ["/etc/a.pem", "/etc/b.crt"]


def test_this_machines_target_can_probe() -> None:
    assert isinstance(RealTarget(), TlsProbe)
