"""How far a worker got through the log: a number in a file of the data folder."""

import json
from pathlib import Path

from relay.storage.data_folder import replace_file
from relay.trust import read_bounded
from remote_assist.errors import ContentError

MAX_CURSOR_BYTES = 256


def read_cursor(path: Path, *, advice: str) -> int | None:
    """The next leaf, or None when there is no cursor yet. Raises ContentError, with `advice`, for anything else."""
    fault = ContentError(f"{path} is not what this relay wrote", advice=advice)
    try:
        found = json.loads(read_bounded(path, MAX_CURSOR_BYTES))["next"]
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise fault from error
    if not isinstance(found, int) or found < 0:
        raise fault
    return found


def write_cursor(path: Path, at: int) -> None:
    """Keep the next leaf, durably."""
    replace_file(path, json.dumps({"next": at}).encode() + b"\n")
