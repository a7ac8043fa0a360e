"""The guard: a small process that ends what we started when we are gone without having done so ourselves.

    we ──"+ GROUP" at a start, "- GROUP" at its end──▶ pipe ──▶ guard
                          end of the pipe: we are gone ──▶ SIGKILL to every group that is left

A killed agent cannot clean up, and the kernel's own way (PR_SET_PDEATHSIG) ends the first process of a group only.
Rule: a program is the guard's from its start to its end; one that shall outlive us is never named to it.
"""

import atexit
import contextlib
import os
import subprocess

SCRIPT = """trap '' HUP INT TERM
groups=' '
while read -r what group; do
  case $what in
    +) groups="$groups$group " ;;
    -) groups="${groups%% $group *} ${groups#* $group }" ;;
  esac
done
for group in $groups; do kill -s KILL -- "-$group"; done"""

CLOSE_SECONDS = 1.0
"""How long our own end waits for the guard's."""


class ProgramGuard:
    """Knows the process groups that end with this process, however that comes about."""

    def __init__(self) -> None:
        self._groups: set[int] = set()
        self._guard: subprocess.Popen[bytes] | None = None

    def watch(self, group: int) -> None:
        """From now on the group ends with us. Without a guard (no shell, no process left) it is not, and runs."""
        self._groups.add(group)
        self._tell(f"+ {group}\n")

    def forget(self, group: int) -> None:
        """The group is over: its number may soon be somebody else's."""
        if group in self._groups:
            self._groups.remove(group)
            self._tell(f"- {group}\n")

    def close(self) -> None:
        """End the guard, and what is left of the groups with it."""
        guard, self._guard = self._guard, None
        if guard is not None and guard.stdin is not None:
            with contextlib.suppress(OSError):
                guard.stdin.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                guard.wait(CLOSE_SECONDS)

    def _tell(self, line: str) -> None:
        if self._guard is None or self._guard.poll() is not None:
            self._guard = self._start()
            line = "".join(f"+ {group}\n" for group in sorted(self._groups))
        if self._guard is not None and self._guard.stdin is not None:
            with contextlib.suppress(OSError):  # killed just now: the next line goes to another one
                os.write(self._guard.stdin.fileno(), line.encode())

    def _start(self) -> "subprocess.Popen[bytes] | None":
        try:
            guard = subprocess.Popen(
                ["/bin/sh", "-c", SCRIPT],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
                env={},
                start_new_session=True,
            )
        except OSError:
            return None
        if guard.stdin is not None:
            os.set_blocking(guard.stdin.fileno(), False)
        return guard


GUARD = ProgramGuard()
"""This process's own."""

atexit.register(GUARD.close)
