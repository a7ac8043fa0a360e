"""How many files a process holds open, and room for many."""

import os
from pathlib import Path

import pytest


def open_files(process_id: int) -> int:
    """Of a running process."""
    return len(list(Path(f"/proc/{process_id}/fd").iterdir()))


def allow_files(count: int) -> None:
    """Room for so many more in this process, and in the programs it starts."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = open_files(os.getpid()) + count + 500
    if hard != resource.RLIM_INFINITY and hard < wanted:
        pytest.skip(f"only {hard} open files are allowed here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
