"""Records as CEF lines (ArcSight Common Event Format, version 0), for systems that take nothing better.

    CEF:0|vendor|product|version|code|name|severity|key=value key=value …

Rule 1: an event is one line, whatever its values hold: in the header `\\` and `|` are escaped, in the extension `\\`,
`=` and line ends. Other control characters, for which CEF has no escape, are written `\\uXXXX`.
Rule 2: what is written can be read back: `parse_cef` is the inverse, and tests hold it to that.
"""

import re

from remote_assist import __version__
from remote_assist.audit.siem_event import SiemEvent
from remote_assist.core.signing.keys import fingerprint
from remote_assist.errors import RemoteProtocolError

HEADER_FIELDS = 7
SEVERITY = {1: 2, 2: 4, 3: 6, 4: 8}
"""OCSF's severity → CEF's 0 to 10."""

_CONTROL = re.compile(r"[\x00-\x09\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029]")
_KEY = re.compile(r"(?:^| )([A-Za-z][A-Za-z0-9]*)=")


def cef_line(event: SiemEvent) -> str:
    """The event's line, without a line feed."""
    head = ("remote-assist", "remote-assist", __version__, event.record.code, event.code.sentence)
    return cef_text((*head, str(SEVERITY[event.severity])), _extension(event))


def cef_text(header: tuple[str, ...], extension: dict[str, str]) -> str:
    """A line from its parts: vendor, product, version, code, name, severity; then keys and values in their order."""
    start = "|".join(_in_header(part) for part in header)
    rest = " ".join(f"{key}={_in_extension(value)}" for key, value in extension.items() if value)
    return f"CEF:0|{start}|{rest}"


def parse_cef(line: str) -> tuple[tuple[str, ...], dict[str, str]]:
    """Header (vendor to severity) and extension of a line. Raises RemoteProtocolError for any other text."""
    parts = _split_header(line)
    if len(parts) != HEADER_FIELDS + 1 or parts[0] != "CEF:0":
        raise RemoteProtocolError("this is no CEF line")
    return tuple(_unescaped(part) for part in parts[1:HEADER_FIELDS]), _read_extension(parts[HEADER_FIELDS])


def _extension(event: SiemEvent) -> dict[str, str]:
    record, said, context = event.record, event.acknowledgement, event.context
    outcome = "" if event.succeeded is None else "success" if event.succeeded else "failure"
    return {
        "rt": str(round(event.moment.timestamp() * 1000)),
        "suser": event.who,
        "suid": record.actor.key,
        "spriv": record.actor.kind,
        "act": event.code.name,
        "outcome": outcome,
        "reason": (record.outcome.reason or record.outcome.status) if record.outcome else "",
        "deviceExternalId": fingerprint(context.host) if context.host else "",
        "sproc": record.program,
        "filePath": record.paths[0] if record.paths else "",
        "dhost": record.target,
        "msg": event.message,
        "externalId": f"{said.session}/{record.seq}",
        "cs1Label": "ticket" if context.ticket else "",
        "cs1": context.ticket,
        "cs2Label": "catalog" if record.catalog else "",
        "cs2": record.catalog,
        "cs3Label": "scope" if record.scope else "",
        "cs3": record.scope,
        "cs4Label": "recordHash",
        "cs4": said.hash,
        "cs5Label": "log",
        "cs5": context.log,
        "cs6Label": "about" if record.about else "",
        "cs6": record.about,
        "cn1Label": "leafIndex",
        "cn1": str(said.index),
    }


def _in_header(text: str) -> str:
    return _without_controls(text.replace("\\", "\\\\").replace("|", "\\|").replace("\n", "\\n").replace("\r", "\\r"))


def _in_extension(text: str) -> str:
    return _without_controls(text.replace("\\", "\\\\").replace("=", "\\=").replace("\n", "\\n").replace("\r", "\\r"))


def _without_controls(text: str) -> str:
    return _CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _split_header(line: str) -> list[str]:
    """Cut at the first seven bars that are not escaped."""
    parts: list[str] = []
    start = at = 0
    while at < len(line) and len(parts) < HEADER_FIELDS:
        if line[at] == "\\":
            at += 1
        elif line[at] == "|":
            parts.append(line[start:at])
            start = at + 1
        at += 1
    return [*parts, line[start:]]


def _read_extension(text: str) -> dict[str, str]:
    """Keys are where ` key=` stands with a bare equals sign: in values every one is escaped."""
    marks = list(_KEY.finditer(text))
    ends = [*(mark.start() for mark in marks[1:]), len(text)][: len(marks)]
    return {mark[1]: _unescaped(text[mark.end() : end]) for mark, end in zip(marks, ends, strict=True)}


_ESCAPE = re.compile(r"\\(u[0-9a-f]{4}|.)", re.DOTALL)


def _unescaped(text: str) -> str:
    return _ESCAPE.sub(_meaning, text)


def _meaning(found: re.Match[str]) -> str:
    sign = found[1]
    if len(sign) == 5:
        return chr(int(sign[1:], 16))
    return {"n": "\n", "r": "\r"}.get(sign, sign)
