"""Memory that was freed stays with the relay: a message more costs no fresh pages of the kernel."""

import platform
import subprocess
import sys

import pytest

MESSAGES = """
import resource
from relay.memory import keep_freed_memory
{first}

def carry():
    for _ in range(200):
        passing = [bytes(256 << 10) for _ in range(4)]

carry()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
carry()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def fresh_pages(first: str) -> int:
    """Pages the kernel had to hand out for 800 messages of 256 KiB, after as many to warm up."""
    done = subprocess.run(
        [sys.executable, "-c", MESSAGES.format(first=first)], capture_output=True, text=True, check=True, timeout=60
    )
    return int(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries decide by themselves")
def test_messages_of_a_busy_relay_reuse_the_pages_of_those_before() -> None:
    assert fresh_pages("keep_freed_memory()") < 1000 < fresh_pages("")
