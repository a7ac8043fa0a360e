"""The one place that imports asyncssh: without the programs it would start for that.

asyncssh looks for C libraries (liboqs, nettle) with `ctypes.util.find_library`. Where they are absent that runs
`ldconfig`, `gcc` and `ld` of whatever PATH says: time in every command, and programs on the customer's machine that
nobody asked for. None of our algorithms needs them as long as cryptography brings ML-KEM, so nothing is searched.
"""

import ctypes.util

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey


def _finds_nothing(name: str) -> str | None:
    return None


def _needs_no_library() -> bool:
    """Whether our key exchange works without liboqs."""
    try:
        MLKEM768PrivateKey.generate()
    except UnsupportedAlgorithm:
        return False
    return True


_find_library = ctypes.util.find_library
if _needs_no_library():
    ctypes.util.find_library = _finds_nothing
try:
    import asyncssh as asyncssh
finally:
    ctypes.util.find_library = _find_library
