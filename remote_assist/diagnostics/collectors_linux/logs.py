"""Errors in the logs, as templates with counts: what repeats is seen at once, and less personal data travels."""

import re
from collections.abc import Iterable

import msgspec

from remote_assist.diagnostics.look import Gathered, Look, Unavailable

TAIL_BYTES = 128 << 10
TAIL_LINES = 150
FILES = ("/var/log/syslog", "/var/log/messages", "/var/log/daemon.log", "/var/log/kern.log", "/var/log/Xorg.0.log")
_TROUBLE = re.compile(
    r"(?i)\b(?:error|fail(?:ed|ure)?|fatal|panic|crit(?:ical)?|denied|refused|timed? ?out|segfault|oom)\b"
)
_NUMBERS = re.compile(r"(?<![\w.-])(?:0x[0-9a-fA-F]+|[0-9a-fA-F]{12,}|\d+)(?![\w.-]*\w)")
"""Numbers that stand alone. Those inside names stay, or redaction would not know the names again."""

_STAMP = re.compile(r"^(?:\w{3}\s+\d+ [\d:]{8}|\d{4}-\d\d-\d\d[T ][\d:.,]+\S*)\s+(?:\S+\s+)?")


async def log_digest(look: Look) -> Gathered:
    """Error lines of the journal, else of the classic log files."""
    lines, source = await _trouble(look)
    return Gathered(digest(lines, source), {"errors": "\n".join(lines[-TAIL_LINES:])} if lines else {})


async def _trouble(look: Look) -> tuple[list[str], str]:
    """Since a time no error is an answer; since the last start it more likely means that nobody keeps a journal."""
    journal: Unavailable | None = None
    try:
        if lines := await _journal(look):
            return lines, "journal"
    except Unavailable as error:
        journal = error
    try:
        return await _files(look)
    except Unavailable:
        if look.since is not None and journal is None:
            return [], "journal"
        raise


async def kernel_log(look: Look) -> Gathered:
    """Warnings and errors of the kernel."""
    text = await look.run("dmesg", "--level=emerg,alert,crit,err,warn", max_bytes=512 << 10)
    lines = [re.sub(r"^\[\s*[\d.]+\]\s*", "", line) for line in text.splitlines() if line.strip()]
    return Gathered(digest(lines, "kernel"))


def digest(lines: Iterable[str], source: str, *, top: int = 40) -> list[dict[str, object]]:
    """The most frequent templates: numbers become #, time and host are dropped; each with its last line."""
    counts: dict[str, int] = {}
    last: dict[str, str] = {}
    for line in lines:
        text = _STAMP.sub("", line.strip())[:400]
        template = _NUMBERS.sub("#", text)
        counts[template] = counts.get(template, 0) + 1
        last[template] = text
    ranked = sorted(counts, key=lambda each: -counts[each])[:top]
    return [{"template": each, "count": counts[each], "last": last[each], "source": source} for each in ranked]


async def _journal(look: Look) -> list[str]:
    argv = ("journalctl", "-p", "3", "-b", "-o", "json", "-n", "300", "--no-pager", "-q")
    text = await look.run(*argv, *look.since_option())
    lines = []
    for raw in text.splitlines():
        entry = msgspec.json.decode(raw.encode(), type=dict[str, object])
        message = entry.get("MESSAGE")
        if isinstance(message, str):
            lines.append(f"{entry.get('SYSLOG_IDENTIFIER') or entry.get('_COMM') or '?'}: {message}")
    return lines


async def _files(look: Look) -> tuple[list[str], str]:
    for path in FILES:
        try:
            lines = await look.log_lines(path, max_bytes=TAIL_BYTES)
        except Unavailable:
            continue
        return [line for line in lines if _TROUBLE.search(line)], path
    raise Unavailable("there is no journal and no classic log file that can be read")
