"""A machine that really is another place: OpenSSH and dropbear in a network namespace, by an address, and cut off."""

import asyncio
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from remote_assist.core.target import Command
from remote_assist.errors import UnreachableError
from tests.scenarios.ssh_machine import Network, SshMachine, dropbear, openssh
from tests.transport.hops.test_ssh import logged_in

pytestmark = [pytest.mark.slow, pytest.mark.root, pytest.mark.full]

HERE, THERE = "198.51.100.1", "198.51.100.2"


@pytest.fixture
def network() -> Iterator[str]:
    """A namespace reached at THERE by a cable of its own; its name, which is that of the cable's near end too."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        wanted = os.environ.get("REMOTE_ASSIST_REQUIRE_ALL") == "1"
        (pytest.fail if wanted else pytest.skip)("needs root and iproute2")
    name = f"ra{os.getpid() % 100000}h"

    def ip(words: str) -> None:
        subprocess.run(["ip", *words.split()], check=True)

    ip(f"netns add {name}")
    try:
        ip(f"link add {name} type veth peer name eth0 netns {name}")
        ip(f"addr add {HERE}/30 dev {name}")
        ip(f"link set {name} up")
        ip(f"-n {name} addr add {THERE}/30 dev eth0")
        ip(f"-n {name} link set eth0 up")
        ip(f"-n {name} link set lo up")
        yield name
    finally:
        subprocess.run(["ip", "link", "del", name], check=False)  # of its own accord it would go some time later
        ip(f"netns del {name}")


@pytest.mark.parametrize("serve", [openssh, dropbear])
def test_a_machine_of_another_network_works_until_its_cable_is_pulled(
    serve: Callable[[Path, Network], AbstractContextManager[SshMachine]], network: str, tmp_path: Path
) -> None:
    with serve(tmp_path / "machine", Network(network, THERE)) as machine, logged_in(machine) as hop:

        async def use() -> None:
            await hop.look()
            said = (await hop.run(Command(("cat", "/proc/self/net/fib_trie")))).stdout.decode()
            assert THERE in said
            assert HERE not in said
            subprocess.run(["ip", "link", "set", network, "down"], check=True)
            await hop.run(Command(("true",)))

        with pytest.raises(UnreachableError, match="went away"):
            asyncio.run(use())
