"""Reading a bundle from a machine nobody controls: everything that is not exactly a bundle is refused."""

import hashlib
import io
import re
import tarfile
import time
from pathlib import Path

import msgspec
import pytest
from backports import zstd

from remote_assist.cli import main
from remote_assist.core.redaction import Collected, Redactor
from remote_assist.diagnostics.bundle import MAX_DEPTH, MAX_VALUES, ItemReport, Manifest, TextReport, read_bundle
from remote_assist.diagnostics.bundle_writer import BundleWriter
from remote_assist.errors import ContentError, RemoteProtocolError, VerificationError
from tests.diagnostics.conftest import now

FACTS = b'{"count":2}'


def manifest(raw: bytes = FACTS, file: str = "facts/cpu.json", **changes: object) -> bytes:
    item = ItemReport(
        collector="cpu",
        version=1,
        digest="d",
        status="ok",
        sensitivity="public",
        seconds=0.1,
        file=file,
        size=len(raw),
        sha256=hashlib.sha256(raw).hexdigest(),
    )
    whole = Manifest(
        format=1,
        program="p",
        platform="linux",
        bundle="b",
        version=1,
        digest="d",
        status="complete",
        started="s",
        ended="e",
        seconds=0.1,
        profile="strict",
        redacted={},
        items=(item,),
    )
    return msgspec.json.encode(msgspec.structs.replace(whole, **changes))


def packed(*members: tuple[str | tarfile.TarInfo, bytes]) -> bytes:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, content in members:
            info = name if isinstance(name, tarfile.TarInfo) else tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return bytes(zstd.compress(raw.getvalue()))


GOOD = (("facts/cpu.json", FACTS), ("manifest.json", manifest()))


def test_a_bundle_reads_back_as_written() -> None:
    bundle = read_bundle(packed(*GOOD))
    assert bundle.facts == {"cpu": {"count": 2}}
    assert bundle.statuses == {"cpu": "ok"}
    assert bundle.digests == {"cpu": hashlib.sha256(FACTS).hexdigest()}


def test_a_file_that_was_changed_is_named() -> None:
    with pytest.raises(VerificationError, match=r"facts/cpu\.json") as caught:
        read_bundle(packed(("facts/cpu.json", b'{"count":3}'), ("manifest.json", manifest())))
    assert caught.value.where == "facts/cpu.json"


@pytest.mark.parametrize(
    "name",
    ["../x.json", "/etc/passwd", "facts/../x.json", "facts/a/b.json", "facts/A.json", "facts/.json", "x", "facts/"],
)
def test_names_that_do_not_belong_are_refused(name: str) -> None:
    with pytest.raises(RemoteProtocolError, match="does not belong"):
        read_bundle(packed((name, b"{}"), *GOOD))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_links_folders_and_devices_are_refused(kind: bytes) -> None:
    info = tarfile.TarInfo("facts/cpu.json")
    info.type, info.linkname = kind, "/etc/passwd"
    with pytest.raises(RemoteProtocolError, match="does not belong"):
        read_bundle(packed((info, b""), ("manifest.json", manifest())))


def test_a_decompression_bomb_is_refused_quickly_and_in_bounded_memory() -> None:
    compressor = zstd.ZstdCompressor()
    bomb = b"".join(compressor.compress(bytes(1 << 20)) for _ in range(1000))
    begun = time.monotonic()
    with pytest.raises(RemoteProtocolError, match="holds more than"):
        read_bundle(bomb + compressor.flush())
    assert time.monotonic() - begun < 5


def test_a_window_that_would_take_gigabytes_is_refused() -> None:
    options = {
        int(zstd.CompressionParameter.window_log): 30,
        int(zstd.CompressionParameter.enable_long_distance_matching): 1,
    }
    compressor = zstd.ZstdCompressor(options=options)
    with pytest.raises(RemoteProtocolError, match="not zstd"):
        read_bundle(compressor.compress(b"x" * 1000) + compressor.flush())


@pytest.mark.parametrize("piece", [b"[],", b"{},", b"0,", b'"",'])
def test_more_values_than_any_machine_has_are_refused_before_they_take_memory(piece: bytes) -> None:
    raw = b"[" + piece * (MAX_VALUES + 1) + b"0]"
    with pytest.raises(RemoteProtocolError, match="more than 200000 values"):
        read_bundle(packed(("facts/cpu.json", raw), ("manifest.json", manifest(raw))))


@pytest.mark.parametrize(("rows", "said"), [(3, "99.9"), (25_000, "too much to look through")])
def test_rows_as_many_as_fit_are_judged_and_print_no_control_byte(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], rows: int, said: str
) -> None:
    """Every issue over rows whose names want to paint the technician's screen."""
    row = {
        "mount": "/\x1b]0;owned\x07\x1b[2J",
        "type": "ext4",
        "read_only": False,
        "used_pct": 99.9,
        "inodes_used_pct": 1.0,
    }
    raw = msgspec.json.encode([row] * rows)
    whole = manifest(raw, "facts/filesystems.json").replace(b'"collector":"cpu"', b'"collector":"filesystems"')
    file = tmp_path / "hostile.tar.zst"
    file.write_bytes(packed(("facts/filesystems.json", raw), ("manifest.json", whole)))
    assert main(["findings", str(file)]) == 0
    told = capsys.readouterr().out
    assert said in told
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", told)
    assert told.count("\n") < 1000


def test_a_file_that_claims_to_be_huge_is_refused() -> None:
    info = tarfile.TarInfo("facts/cpu.json")
    info.size = 1 << 40
    raw = zstd.compress(info.tobuf(tarfile.GNU_FORMAT) + bytes(1024))
    with pytest.raises(RemoteProtocolError, match="too long"):
        read_bundle(raw)


def test_deeply_nested_facts_are_refused() -> None:
    deep = b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1)
    with pytest.raises(RemoteProtocolError, match="nested"):
        read_bundle(packed(("facts/cpu.json", deep), ("manifest.json", manifest(deep))))


def test_brackets_inside_text_are_no_nesting() -> None:
    facts = b'{"a":"' + b"[" * 500 + b'\\"["}'
    bundle = read_bundle(packed(("facts/cpu.json", facts), ("manifest.json", manifest(facts))))
    assert bundle.facts == {"cpu": {"a": "[" * 500 + '"['}}


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"", "before its manifest"),
        (b"not a bundle", "not zstd"),
        (zstd.compress(b"not a tar" * 100), "not a tar"),
        (packed(GOOD[0]), "before its manifest"),
        (packed(GOOD[1]), "lacks"),
        (packed(*GOOD, GOOD[0]), "twice"),
        (packed(("facts/other.json", b"{}"), *GOOD), "does not name"),
        (packed(GOOD[0], ("manifest.json", b"{}")), "manifest is not one"),
        (packed(GOOD[0], ("manifest.json", b"[" * 100_000)), "manifest is not one"),
        (packed(("facts/cpu.json", b"{"), ("manifest.json", manifest(b"{"))), "not JSON"),
        (packed(*((f"facts/c{n}.json", b"") for n in range(600))), "too many files"),
        (packed(*GOOD) + b"more", "after its end"),
    ],
)
def test_what_is_no_bundle_is_refused_with_a_reason(raw: bytes, why: str) -> None:
    with pytest.raises(RemoteProtocolError, match=why):
        read_bundle(raw)


def test_every_cut_of_a_bundle_is_refused_and_none_crashes() -> None:
    raw = packed(*GOOD)
    for length in range(len(raw)):
        with pytest.raises(RemoteProtocolError):
            read_bundle(raw[:length])


def test_every_flipped_byte_is_refused_or_harmless() -> None:
    raw = packed(*GOOD)
    for position in range(len(raw)):
        changed = raw[:position] + bytes([raw[position] ^ 0x55]) + raw[position + 1 :]
        try:
            assert read_bundle(changed).facts == {"cpu": {"count": 2}}
        except (RemoteProtocolError, VerificationError):
            continue


def test_facts_under_another_collectors_name_are_refused() -> None:
    with pytest.raises(RemoteProtocolError, match="another name"):
        read_bundle(packed(("facts/memory.json", FACTS), ("manifest.json", manifest(file="facts/memory.json"))))


def test_a_missing_file_is_a_content_error(tmp_path: Path) -> None:
    with pytest.raises(ContentError, match="No such file"):
        read_bundle(tmp_path / "none.tar.zst")


async def test_the_writer_streams_pieces_that_read_back_as_texts_and_facts() -> None:
    pieces: list[bytes] = []

    async def write(raw: bytes) -> None:
        pieces.append(raw)

    redactor = Redactor(bytes(32))
    writer = BundleWriter(write, now(), redactor.sweep)
    text = redactor.redact(Collected("line for alice@example.com\n" * 20_000, "pii"))
    facts = redactor.redact(Collected({"count": 2}, "public"))
    text_digest = await writer.add("texts/cpu.errors.txt", text)
    digest = await writer.add("facts/cpu.json", facts)
    assert digest == hashlib.sha256(FACTS).hexdigest()
    report = TextReport(file="texts/cpu.errors.txt", size=len(text.raw), sha256=text_digest)
    whole = msgspec.json.decode(manifest(), type=Manifest)
    item = msgspec.structs.replace(whole.items[0], texts=(report,))
    await writer.finish(msgspec.structs.replace(whole, items=(item,)))
    raw = b"".join(pieces)
    bundle = read_bundle(raw)
    assert "alice" not in bundle.texts["texts/cpu.errors.txt"]
    assert bundle.facts == {"cpu": {"count": 2}}
    assert (writer.size, writer.sha256) == (len(raw), hashlib.sha256(raw).hexdigest())
