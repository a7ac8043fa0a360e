"""What the fixes of half_fix.py change: files, services of a folder, packages. Each is laid out anew and looked at."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Protocol

import psutil

HEAD = """kind: Fix
metadata: {id: own.fix, version: 1, title: Everything}
parameters: {keep: {type: size, default: 10M}}
consent: {text: Do it.}
risk: {impact: none, downtime: none, reversible: full}
verify: [{when: 'true'}]
steps:
"""
FILES = """  - {name: new, file.write: {path: '%s/new.conf', content: "limit={params.keep}\\n"}}
  - {name: replace, file.replace: {path: '%s/app.conf', find: 'a=1', with: 'a=2'}}
  - {name: aside, file.move: {from: '%s/cache', to: '%s/cache.old'}}
  - {name: delete, file.delete: {path: '%s/lock'}}
  - {name: mark, command: {argv: [touch, '%s/mark']}, check: skip, undo: {argv: [rm, -f, '%s/mark']}}
  - {name: keep, file.snapshot: {paths: ['%s/tree']}}
  - {name: change, command: {argv: [rm, -r, '%s/tree/deep', '%s/tree/link']}, check: skip, undo: snapshot}
"""
SERVICES = """  - {name: stop, service: {name: holder, state: stopped}}
  - {name: start, service: {name: wanted, state: started}}
"""
PACKAGES = """  - {name: add, package: {name: ra-one, state: present}}
"""
MARK = "remote-assist-half-fix-service"


class Ground(Protocol):
    """A place a fix changes."""

    fix: str
    services: str

    def set_up(self) -> None:
        """As it is before every run."""

    def state(self) -> dict[str, object]:
        """What may not differ after an undo."""

    def clear(self) -> None:
        """Leave nothing running."""


class Files:
    """A folder; parts of files on their way do not count."""

    services = ""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.fix = HEAD + FILES.replace("%s", str(folder))

    def set_up(self) -> None:
        folder = self._folder
        shutil.rmtree(folder, ignore_errors=True)
        (folder / "cache").mkdir(parents=True)
        (folder / "cache" / "x").write_text("x")
        (folder / "app.conf").write_text("a=1\nb=2\n")
        (folder / "app.conf").chmod(0o604)
        (folder / "lock").write_bytes(b"\x00\xff")
        (folder / "tree" / "deep").mkdir(parents=True)
        (folder / "tree" / "deep" / "y").write_text("y")
        (folder / "tree" / "link").symlink_to("deep/y")

    def clear(self) -> None:
        pass

    def state(self) -> dict[str, object]:
        found: dict[str, object] = {}
        for path in sorted(self._folder.rglob("*")):
            if path.name.startswith(".remote-assist-"):
                continue
            status = path.lstat()
            held = str(path.readlink()) if path.is_symlink() else path.read_bytes() if path.is_file() else None
            found[str(path.relative_to(self._folder))] = (status.st_mode, held)
        return found


class Services:
    """Two services of the `process` kind: one runs, one does not."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self._folder = folder
        self.services = str(folder)
        self.fix = HEAD + SERVICES

    def set_up(self) -> None:
        for name in ("holder", "wanted"):
            for process in _running(self._mark(name)):
                os.kill(process, signal.SIGKILL)
            while _running(self._mark(name)):
                reap()
                time.sleep(0.002)
            argv = [sys.executable, "-c", "import time; time.sleep(3600)", self._mark(name)]
            pidfile = self._folder / f"{name}.pid"
            pidfile.unlink(missing_ok=True)
            unit = {"argv": argv, "pidfile": str(pidfile), "log": str(self._folder / f"{name}.log")}
            (self._folder / f"{name}.json").write_text(json.dumps(unit))
            if name == "holder":
                pidfile.write_text(str(subprocess.Popen(argv, start_new_session=True).pid))

    def clear(self) -> None:
        for process in (*_running(self._mark("holder")), *_running(self._mark("wanted"))):
            os.kill(process, signal.SIGKILL)

    def state(self) -> dict[str, object]:
        return {name: len(_running(self._mark(name))) for name in ("holder", "wanted")}

    def _mark(self, name: str) -> str:
        return f"{MARK} {name} of {self._folder}"


class Packages:
    """One package of a repository of its own; see test_half_fixes.py for the namespaces around it."""

    services = ""
    fix = HEAD + PACKAGES

    def set_up(self) -> None:
        subprocess.run(["dpkg", "--configure", "-a"], capture_output=True, check=False, timeout=60)
        subprocess.run(["dpkg", "--purge", "--force-all", "ra-one"], capture_output=True, check=False, timeout=60)

    def clear(self) -> None:
        pass

    def state(self) -> dict[str, object]:
        asked = subprocess.run(
            ["dpkg-query", "-W", "-f", "${Status}", "ra-one"], capture_output=True, text=True, check=False, timeout=60
        )
        kept = {"deinstall ok config-files", "unknown ok not-installed", ""}
        return {"ra-one": "" if asked.stdout in kept else asked.stdout}


def reap() -> None:
    """Wait for every child there is but services, which live on once they are what they shall be."""
    while True:
        try:
            process, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if process == 0:
            if all(_is_service(child) for child in psutil.Process().children()):
                return
            time.sleep(0.002)


def _running(mark: str) -> list[int]:
    """Processes of a service that live; a zombie has no words."""
    return [each.pid for each in psutil.process_iter() if mark in _words(each)]


def _is_service(process: psutil.Process) -> bool:
    words = _words(process)
    return words[:1] != ["/bin/sh"] and any(word.startswith(MARK) for word in words)


def _words(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []
