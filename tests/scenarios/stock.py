"""Sessions as Debian's own ssh sees them: a host entry, a short way to run programs with it, and the records made."""

import json
import os
import shutil
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.scenarios.world import World

ALL_WANTED = os.environ.get("REMOTE_ASSIST_REQUIRE_ALL") == "1"


def need(*programs: str) -> None:
    """Skip with the reason where a program is missing; fail where all must be there."""
    missing = [program for program in programs if shutil.which(program) is None]
    if missing and ALL_WANTED:
        pytest.fail(f"not installed: {', '.join(missing)}")
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")


@dataclass
class Host:
    """One session as ssh sees it. `seen` is how many records there were at the last look."""

    world: World
    session: str
    config: Path
    seen: int = field(default=0)

    def __call__(
        self, *argv: str, stdin: str | bytes = b"", expect: int | None = 0, seconds: float = 60
    ) -> subprocess.CompletedProcess[bytes]:
        """Run a program with `HOST` and `CONFIG` replaced; its output is bytes."""
        words = [word.replace("HOST", self.session).replace("CONFIG", str(self.config)) for word in argv]
        raw = stdin.encode() if isinstance(stdin, str) else stdin
        done = subprocess.run(
            words, input=raw, env=self.environment, capture_output=True, timeout=seconds, cwd=self.world.folder
        )
        assert expect is None or done.returncode == expect, (words, done)
        return done

    def ssh(self, *words: str, stdin: str | bytes = b"", expect: int = 0) -> subprocess.CompletedProcess[bytes]:
        return self("ssh", "-F", "CONFIG", "HOST", *words, stdin=stdin, expect=expect)

    def sftp(self, *lines: str, expect: int = 0) -> subprocess.CompletedProcess[bytes]:
        return self("sftp", "-F", "CONFIG", "-b", "-", "HOST", stdin="\n".join(lines) + "\n", expect=expect)

    @property
    def environment(self) -> dict[str, str]:
        home = self.world.folder / "plain-home"
        home.mkdir(exist_ok=True)
        return {**self.world.environment("alice-home"), "HOME": str(home), "GIT_CONFIG_GLOBAL": "/dev/null"}

    def records(self) -> list[dict[str, Any]]:
        """Every record the relay holds, and so has acknowledged."""
        done = self.world.command("audit", "show", self.session, "--json")
        return [json.loads(line) for line in done.stdout.splitlines()]

    def new_codes(self, *awaited: str) -> list[str]:
        """Codes since the last look, without that of the connection itself; waits until those `awaited` are there."""
        end = time.monotonic() + 10
        while True:
            records = self.records()
            codes = [one["code"] for one in records[self.seen :] if one["code"] != "RA1008E"]
            if all(code in codes for code in awaited) or time.monotonic() > end:
                self.seen = len(records)
                return codes
            time.sleep(0.05)

    def skip_seen(self) -> None:
        self.seen = len(self.records())


def host_of(world: World, name: str, scopes: str) -> Host:
    _, session, _ = world.session(scopes=scopes)
    config = world.folder / f"config-{name}"
    world.command("ssh-config", session, "--write", str(config))
    return Host(world, session, config)
