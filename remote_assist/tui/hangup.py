"""The terminal went away: the program ends, as it would have by the kernel's SIGHUP.

That signal comes only from a controlling terminal. From any other (a pty handed over by `docker exec`, `script`, a
terminal server) a read answers end of file for ever and the drawing blocks: one core busy, nobody watching.
On Windows there is neither: a console that closes ends its programs.
"""

import os
import select
import signal
import sys
import threading

EXIT_IF_IGNORED = 129
"""The exit code where SIGHUP is ignored (`nohup`), as shells count it."""


def end_on_hang_up(fd: int) -> None:
    """Watch `fd` from a thread of its own, for the event loop may be blocked in drawing by then."""
    if sys.platform != "win32":
        threading.Thread(target=_watch, args=(fd,), name="hang-up", daemon=True).start()


if sys.platform != "win32":

    def _watch(fd: int) -> None:
        poll = select.poll()
        poll.register(fd, 0)  # hang-up and error are told unasked
        poll.poll()
        os.kill(os.getpid(), signal.SIGHUP)
        os._exit(EXIT_IF_IGNORED)
