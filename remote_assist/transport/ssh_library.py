"""The one place that imports asyncssh: without the programs it would start for that, and without texts nobody reads.

asyncssh looks for C libraries (liboqs, nettle) with `ctypes.util.find_library`. Where they are absent that runs
`ldconfig`, `gcc` and `ld` of whatever PATH says: time in every command, and programs on the customer's machine that
nobody asked for. None of our algorithms needs them as long as cryptography brings ML-KEM, so nothing is searched.

It also makes a text of every packet before it asks whether packets are logged, at both ends, for every keystroke. Ours
never are: they would hold what is typed.
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


def _writes_nothing(*_what: object, **_more: object) -> None:
    return


for _method in ("log_sent_packet", "log_received_packet"):
    if hasattr(asyncssh.packet.SSHPacketLogger, _method):  # where a later version has another, it logs as it likes
        setattr(asyncssh.packet.SSHPacketLogger, _method, _writes_nothing)
