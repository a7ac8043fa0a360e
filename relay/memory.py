"""What the C library does with memory that was freed: here, keep a few megabytes of it for the next message.

glibc hands a large block back to the kernel when it is freed and fetches it anew, page by page, for the next message:
a fifth of a busy relay's time. It learns better by itself from the largest block that was ever freed (mallopt(3),
M_MMAP_THRESHOLD: the dynamic threshold, and twice that for M_TRIM_THRESHOLD). So one such block is freed at the start.
"""

KEPT_BYTES = 8 << 20
"""Blocks up to this size are kept after use, twice as many bytes in all. Longest message: 1 MiB each direction."""


def keep_freed_memory() -> None:
    """Let glibc keep freed memory. Nothing happens with other C libraries. The block itself is never touched."""
    block = bytearray(KEPT_BYTES)
    del block
