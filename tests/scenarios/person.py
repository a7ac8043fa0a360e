"""People of this system who are not root: made for a test, with a password and a Python they may run."""

import contextlib
import json
import os
import secrets
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
SYSTEM_PYTHON = f"/usr/bin/python{sys.version_info.major}.{sys.version_info.minor}"
PROGRAM = """
import asyncio, json, sys
from remote_assist.core.target import Command
from remote_assist.errors import AssistError
from remote_assist.transport.elevated_target import ElevatedTarget

async def main():
    for password in sys.argv[1:]:
        try:
            target = await ElevatedTarget.start(password, [])
        except AssistError as error:
            print(json.dumps(error.message), flush=True)
        else:
            print(json.dumps((await target.run(Command(("id", "-un")))).stdout.decode().strip()), flush=True)
            await target.close()

asyncio.run(main())
"""


@dataclass(frozen=True)
class Person:
    """A user of this system who may use sudo with a password."""

    name: str
    password: str
    python: Path
    folder: Path

    def elevate(self, *passwords: str, within: Sequence[str] = ()) -> list[str]:
        """What comes of each password: who its program is, or why not. `within`: words before all others."""
        argv = [*within, "runuser", "-u", self.name, "--", str(self.python), "-c", PROGRAM, *passwords]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=120, cwd="/", check=False)
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    @property
    def agent(self) -> list[str]:
        """The words before those of `remote-assist`, run as this person by this checkout, all of it, as it is."""
        around = 'mount --bind "$1" "$2"; mount --bind "$3" "$4"; shift 4; exec "$@"'
        mounts = [sysconfig.get_path("purelib"), self.folder / "site", ROOT, self.folder / "code"]
        run = ["runuser", "-u", self.name, "--", str(self.python), "-m", "remote_assist"]
        return ["unshare", "--mount", "sh", "-euc", around, "sh", *map(str, mounts), *run]


@contextlib.contextmanager
def a_sudoer() -> Iterator[Person]:
    """Somebody who may become root by sudo, with their own password."""
    with a_person("sudo", "unshare") as person:
        rule = Path(f"/etc/sudoers.d/{person.name}")
        try:
            rule.write_text(f"{person.name} ALL=(ALL:ALL) ALL\n")
            rule.chmod(0o440)
            yield person
        finally:
            rule.unlink(missing_ok=True)


@contextlib.contextmanager
def a_person(*programs: str) -> Iterator[Person]:
    """Somebody new, gone afterwards. Skips where that, or one of `programs`, is not possible."""
    missing = [name for name in (*programs, "useradd", "chpasswd", "runuser", SYSTEM_PYTHON) if not shutil.which(name)]
    if os.geteuid() != 0 or missing:
        wanted = os.environ.get("REMOTE_ASSIST_REQUIRE_ALL") == "1"
        (pytest.fail if wanted else pytest.skip)(f"needs root and {', '.join(missing) or 'nothing else'}")
    name, password = f"ra{secrets.token_hex(4)}", secrets.token_urlsafe(12)
    folder = Path(f"/var/tmp/{name}")
    subprocess.run(["useradd", "--no-create-home", "--home-dir", "/", name], check=True)
    try:
        subprocess.run(["chpasswd"], input=f"{name}:{password}", text=True, check=True)
        yield Person(name, password, _python_for_everybody(folder), folder)
    finally:
        subprocess.run(["userdel", name], check=False)
        shutil.rmtree(folder, ignore_errors=True)


def _python_for_everybody(folder: Path) -> Path:
    """The system's Python with copies of what is needed, where everybody may read: this checkout may lie where not."""
    site = folder / "site"
    site.mkdir(parents=True)
    installed = Path(sysconfig.get_path("purelib"))
    for needed in ("msgspec", "psutil", "cryptography", "cffi", "pycparser"):
        if (installed / needed).is_dir():
            shutil.copytree(installed / needed, site / needed)
    for backend in installed.glob("_cffi_backend*"):
        shutil.copy(backend, site / backend.name)
    (folder / "code").mkdir()
    shutil.copytree(ROOT / "remote_assist", site / "remote_assist", ignore=shutil.ignore_patterns("__pycache__"))
    subprocess.run([SYSTEM_PYTHON, "-m", "venv", "--without-pip", str(folder / "venv")], check=True)
    for packages in (folder / "venv").glob("lib/python3*/site-packages"):
        (packages / "test.pth").write_text(f"{folder}/code\n{site}\n")
    return folder / "venv" / "bin" / "python"
