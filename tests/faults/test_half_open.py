"""F12 and T18: connections that never finish saying what they want keep nobody out, are closed, and leave nothing.

A relay as a process of its own; strangers come from many loopback addresses, one byte a second each (slow-loris), or
stop in the middle of the TLS handshake.
"""

import asyncio
import contextlib
import ssl
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.open_files import allow_files, open_files
from tests.relay.links.test_front_door import tls_files
from tests.relay.world import Organisation, TurnableClock

PER_ADDRESS = 100
HEAD = b"GET /healthz HTTP/1.1\r\nHost: relay.example.com\r\nX-Slow: "
SIZES = [
    pytest.param(300, 2.0, id="300"),
    pytest.param(5000, 20.0, id="5000", marks=[pytest.mark.full, pytest.mark.timeout(300)]),
]


@contextlib.contextmanager
def served(folder: Path, deadline: float, *, tls: bool) -> Iterator[tuple["subprocess.Popen[str]", str]]:
    organisation = Organisation(folder, TurnableClock())
    organisation.found()
    lines = ['data = "relay-data"', "port = 0", f"handshake_deadline_seconds = {deadline}"]
    if tls:
        tls_files(folder)
        lines += ['tls_cert = "tls.pem"', 'tls_key = "tls.key"']
    (folder / "relay.toml").write_text("\n".join(lines))
    argv = [sys.executable, "-m", "relay", "serve", "--config", str(folder / "relay.toml")]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert process.stdout is not None
        yield process, process.stdout.readline().split()[-1]
    finally:
        process.kill()
        process.wait()


def resident_kib(process: "subprocess.Popen[str]") -> int:
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0])


async def half_open(address: str, count: int) -> list[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    host, port = address.rpartition("//")[2].split(":")
    links = []
    for number in range(count):
        source = f"127.0.{1 + number // PER_ADDRESS // 250}.{1 + number // PER_ADDRESS % 250}"
        links.append(await asyncio.open_connection(host, int(port), local_addr=(source, 0)))
    return links


async def drip(links: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]], said: bytes) -> None:
    for position in range(len(said)):
        for _, writer in links:
            if not writer.is_closing():
                writer.write(said[position : position + 1])
        await asyncio.sleep(1)


def connect_once(address: str, context: ssl.SSLContext | None) -> float:
    begun = time.monotonic()
    with urllib.request.urlopen(f"{address}/healthz", timeout=10, context=context) as answer:
        assert answer.read() == b"ok\n"
    return time.monotonic() - begun


async def is_closed(reader: asyncio.StreamReader) -> None:
    with contextlib.suppress(ConnectionError):
        while await reader.read(4096):
            pass


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc and the addresses of 127.0.0.0/8")
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize(("count", "deadline"), SIZES)
async def test_f12_t18_half_open_connections_keep_nobody_out_and_leave_nothing(
    tmp_path: Path, count: int, deadline: float, tls: bool
) -> None:
    allow_files(count)
    with served(tmp_path, deadline, tls=tls) as (process, address):
        context = ssl.create_default_context(cafile=str(tmp_path / "tls.pem")) if tls else None
        await asyncio.to_thread(connect_once, address, context)
        files, memory = open_files(process.pid), resident_kib(process)
        begun = time.monotonic()
        links = await half_open(address, count)
        # Of a TLS handshake the first bytes of a hello that says it goes on; of HTTP a head that never ends.
        dripping = asyncio.create_task(drip(links, b"\x16\x03\x01\x02\x00" + bytes(95) if tls else HEAD + b"x" * 40))
        took = [await asyncio.to_thread(connect_once, address, context) for _ in range(100)]
        assert sorted(took)[98] < 1.0
        assert resident_kib(process) - memory < 20_000 + 60 * count
        async with asyncio.timeout(deadline + 20):
            await asyncio.gather(*(is_closed(reader) for reader, _ in links))
        assert time.monotonic() - begun >= deadline
        dripping.cancel()
        for _, writer in links:
            writer.close()
        await asyncio.sleep(1.5)
        assert open_files(process.pid) <= files + 5
        assert process.poll() is None
        await asyncio.to_thread(connect_once, address, context)
