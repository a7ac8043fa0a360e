"""Syslog messages as RFC 5424 writes them, framed for TLS as RFC 5425 says: a length, a space, the message."""

import re
from datetime import datetime

FACILITY = 13
"""Log audit (RFC 5424 table 1)."""

LEVELS = {1: 6, 2: 5, 3: 4, 4: 3}
"""OCSF's severity → syslog's: informational, notice, warning, error."""

MAX_SEQUENCE = 2_147_483_647
BOM = b"\xef\xbb\xbf"

_UNPRINTABLE = re.compile(r"[^\x21-\x7e]")


def syslog_message(*, severity: int, moment: datetime, host: str, message_id: str, index: int, line: bytes) -> bytes:
    """One message; `line` is UTF-8 without line ends, `index` the record's leaf."""
    priority = FACILITY * 8 + LEVELS[severity]
    stamp = moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    head = f"<{priority}>1 {stamp} {_name(host, 255)} remote-assist - {_name(message_id, 32)}"
    data = f'[meta sequenceId="{index % MAX_SEQUENCE + 1}"]'
    return f"{head} {data} ".encode("ascii") + BOM + line


def framed(message: bytes) -> bytes:
    """A message on a stream."""
    return str(len(message)).encode("ascii") + b" " + message


def _name(text: str, most: int) -> str:
    return _UNPRINTABLE.sub("_", text)[:most] or "-"
