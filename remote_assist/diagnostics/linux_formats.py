"""Small texts of Linux that several places read: NAME=value lines, a process's line. Text in, values out. Pure."""

import re


def parse_assignments(text: str) -> dict[str, str]:
    """NAME=value lines, quotes removed (os-release)."""
    found = re.findall(r"(?m)^([A-Za-z_]\w*)=[\"']?(.*?)[\"']?\s*$", text)
    return dict(found)


def parse_stat(text: str) -> dict[str, object]:
    """A process from /proc/PID/stat (proc(5)); empty where it has gone."""
    match = re.match(r"(\d+) \((.*)\) (\S) (\d+) (.*)$", text.strip(), re.DOTALL)
    if match is None:
        return {}
    rest = match[5].split()
    return {
        "pid": int(match[1]),
        "name": match[2],
        "state": match[3],
        "parent": int(match[4]),
        "memory_bytes": int(rest[19]) * 4096 if len(rest) > 19 else 0,
    }
