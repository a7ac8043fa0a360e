"""Bundle files with chosen facts, whole and with a right manifest."""

import hashlib
import io
import tarfile
from pathlib import Path

import msgspec
from backports import zstd

from remote_assist.diagnostics.bundle import ItemReport, Manifest


def bundle_file(path: Path, *, platform: str = "linux", **facts: object) -> Path:
    """A bundle that holds these facts, each collected well."""
    files = {name: msgspec.json.encode(value) for name, value in facts.items()}
    items = tuple(
        ItemReport(
            collector=name,
            version=1,
            digest="d",
            status="ok",
            sensitivity="internal",
            seconds=0.0,
            file=f"facts/{name}.json",
            size=len(raw),
            sha256=hashlib.sha256(raw).hexdigest(),
        )
        for name, raw in files.items()
    )
    manifest = Manifest(
        format=1,
        program="p",
        platform=platform,
        bundle="b",
        version=1,
        digest="d",
        status="complete",
        started="2026-11-29T10:00:00Z",
        ended="2026-11-29T10:00:01Z",
        seconds=1.0,
        profile="strict",
        redacted={},
        items=items,
    )
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        members = {f"facts/{name}.json": raw for name, raw in files.items()}
        for name, raw in {**members, "manifest.json": msgspec.json.encode(manifest)}.items():
            info = tarfile.TarInfo(name)
            info.size = len(raw)
            tar.addfile(info, io.BytesIO(raw))
    path.write_bytes(zstd.compress(packed.getvalue()))
    return path
