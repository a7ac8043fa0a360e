"""Why a connection did not come about, in the system's own plain words. Loads no network library."""

import os
import re

_ERRNO = re.compile(r"\[Errno (\d+)\]")


def cause_of(error: BaseException) -> str:
    """`connection refused`, `no answer in time`, …; never a system call's name or an address in brackets."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    number = getattr(error, "errno", None)
    if number is None and (found := _ERRNO.search(str(error))):  # several addresses were tried: the first one's cause
        number = int(found[1])
    if isinstance(number, int) and number > 0:
        return os.strerror(number).lower()
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
