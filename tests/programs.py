"""Programs of others that a test needs: without them it is skipped, unless everything was asked for."""

import os
import shutil

import pytest


def needs(name: str) -> str:
    """The program's path. Skips the test without it; fails it when REMOTE_ASSIST_REQUIRE_ALL=1."""
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")
    if found is None:
        if os.environ.get("REMOTE_ASSIST_REQUIRE_ALL") == "1":
            pytest.fail(f"{name} is not installed, and REMOTE_ASSIST_REQUIRE_ALL=1")
        pytest.skip(f"{name} is not installed")
    return found
