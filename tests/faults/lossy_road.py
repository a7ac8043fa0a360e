"""A road that loses packets: a network namespace whose only way out are two TUN devices and a careless carrier.

    programs in a namespace ──127.0.0.1:PORT──▶ [this file, run] ──TUN ─ carrier ─ TUN──▶ [again] ──▶ the relay

Run as a program it passes TCP connections on, so that both sides know the relay by the same address. Needs root, Linux.
"""

import asyncio
import contextlib
import fcntl
import os
import random
import select
import shutil
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Self

import pytest

OUTSIDE, INSIDE = "10.213.77.1", "10.213.77.2"
TUNSETIFF, TUN_WITHOUT_HEADER = 0x400454CA, 0x1001
PACKET_BYTES = 64 << 10


def need_tun() -> None:
    """Skip, or fail where everything must run, without root, `ip` and /dev/net/tun."""
    missing = [what for what, there in _NEEDS.items() if not there()] + ["ip"] * (shutil.which("ip") is None)
    if missing:
        wanted = os.environ.get("REMOTE_ASSIST_REQUIRE_ALL") == "1"
        (pytest.fail if wanted else pytest.skip)(f"needs {', '.join(missing)}")


_NEEDS: Mapping[str, Callable[[], bool]] = {
    "Linux": lambda: sys.platform == "linux",
    "root": lambda: os.geteuid() == 0,
    "/dev/net/tun": lambda: os.access("/dev/net/tun", os.R_OK | os.W_OK),
}


@dataclass
class LossyRoad:
    """Loses `loss` of all packets (0 to 1), each way, while entered. `port`: the relay's, on both sides."""

    port: int
    loss: float
    seed: int
    carried: int = 0
    lost: int = 0
    programs: "list[subprocess.Popen[bytes]]" = field(default_factory=list)

    def __enter__(self) -> Self:
        tag = f"ra{os.getpid() % 100000}"
        self.namespace = tag
        self._stop = threading.Event()
        self._ends = [_tun(f"{tag}a"), _tun(f"{tag}b")]
        try:
            self._lay(tag)
        except BaseException:
            self.__exit__()
            raise
        self._carrier = threading.Thread(target=self._carry, name="lossy-road", daemon=True)
        self._carrier.start()
        self._forward([], OUTSIDE, "127.0.0.1")
        self._forward(self.inside, "127.0.0.1", OUTSIDE)
        return self

    def __exit__(self, *_: object) -> None:
        for program in self.programs:
            program.kill()
            program.wait()
        self._stop.set()
        if hasattr(self, "_carrier"):
            self._carrier.join(10)
        for end in self._ends:
            os.close(end)  # which removes the device
        subprocess.run(["ip", "netns", "del", self.namespace], check=False)

    @property
    def inside(self) -> list[str]:
        """What to put before a program's words to run it in the namespace."""
        return ["ip", "netns", "exec", self.namespace]

    def _lay(self, tag: str) -> None:
        for words in (
            f"netns add {tag}",
            f"link set {tag}b netns {tag}",
            f"addr add {OUTSIDE}/30 dev {tag}a",
            f"link set {tag}a up",
            f"-n {tag} addr add {INSIDE}/30 dev {tag}b",
            f"-n {tag} link set {tag}b up",
            f"-n {tag} link set lo up",
        ):
            subprocess.run(["ip", *words.split()], check=True)

    def _forward(self, before: list[str], listening: str, target: str) -> None:
        argv = [*before, sys.executable, "-m", "tests.faults.lossy_road", listening, target, str(self.port)]
        program = subprocess.Popen(argv, stdout=subprocess.PIPE)
        self.programs.append(program)
        assert program.stdout is not None and program.stdout.readline() == b"ready\n"

    def _carry(self) -> None:
        dice = random.Random(self.seed)
        first, second = self._ends
        while not self._stop.is_set():
            for end in select.select(self._ends, [], [], 0.2)[0]:
                packet = os.read(end, PACKET_BYTES)
                self.carried += 1
                if dice.random() < self.loss:
                    self.lost += 1
                    continue
                with contextlib.suppress(OSError):  # a queue that is full loses, too
                    os.write(second if end == first else first, packet)


def _tun(name: str) -> int:
    end = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
    fcntl.ioctl(end, TUNSETIFF, struct.pack("16sH22x", name.encode(), TUN_WITHOUT_HEADER))
    return end


async def _pass_on(listening: str, target: str, port: int) -> None:
    async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while piece := await source.read(64 << 10):
                sink.write(piece)
                await sink.drain()
            sink.write_eof()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, onward = await asyncio.open_connection(target, port)
        except OSError:
            writer.transport.abort()
            return
        await asyncio.gather(pump(reader, onward), pump(there, writer))
        onward.close()
        writer.close()

    async with await asyncio.start_server(serve, listening, port) as server:
        print("ready", flush=True)
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_pass_on(sys.argv[1], sys.argv[2], int(sys.argv[3])))
