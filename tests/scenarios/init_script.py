"""An init script of this machine that starts and stops nothing but a file."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

INIT_SCRIPT = """#!/bin/sh
# A service whose state is a file; with `ill` beside it, it starts and falls over at once; with `slow`, it takes long.
cd {folder} || exit 4
case $1 in
start) echo start >>said; test -e ill || touch running; test ! -e slow || sleep 600 ;;
stop) echo stop >>said; rm -f running ;;
status) if test -e running; then exit 0; else exit 3; fi ;;
esac
"""


@contextmanager
def init_script(folder: Path) -> Iterator[Path]:
    """Where its state is: a new folder in `folder`, and in it, as last part, the service's name."""
    state = folder / "state"
    state.mkdir()
    name = f"example-shop-{os.getpid()}"
    place = Path("/etc/init.d") / name
    place.write_text(INIT_SCRIPT.format(folder=state))
    place.chmod(0o755)
    try:
        yield state / name
    finally:
        place.unlink()
