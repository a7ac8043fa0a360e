"""Processes: how many, which use most. Names only: arguments and environments may hold secrets and are never read."""

from remote_assist.diagnostics.linux_formats import parse_stat
from remote_assist.diagnostics.look import Gathered, Look, Unavailable

TOP = 40
"""Rows kept, by memory and by processor."""


async def processes(look: Look) -> Gathered:
    """The processes that use most memory or processor, and every stuck or dead one."""
    try:
        text = await look.run("ps", "-eo", "pid=,ppid=,user:32=,state=,rss=,pcpu=,etimes=,comm=")
        rows = parse_ps(text)
    except Unavailable:
        rows = await _from_proc(look)
    if not rows:
        raise Unavailable("no process can be seen")
    return Gathered(most_relevant(rows), cut=False)


def parse_ps(text: str) -> list[dict[str, object]]:
    """Rows of the `ps` call above."""
    rows: list[dict[str, object]] = []
    for line in text.splitlines():
        parts = line.split(None, 7)
        if len(parts) == 8:
            rows.append(
                {
                    "pid": int(parts[0]),
                    "parent": int(parts[1]),
                    "user": parts[2],
                    "state": parts[3][:1],
                    "memory_bytes": int(parts[4]) * 1024,
                    "cpu_pct": float(parts[5]),
                    "seconds": int(parts[6]),
                    "name": parts[7].strip(),
                }
            )
    return rows


def most_relevant(rows: list[dict[str, object]]) -> list[dict[str, object]]:
    """Top by memory, top by processor, and those in state D (stuck) or Z (dead), each once."""
    chosen: dict[object, dict[str, object]] = {}
    for key in ("memory_bytes", "cpu_pct"):
        for row in sorted(rows, key=lambda each: float(str(each.get(key, 0))), reverse=True)[:TOP]:
            chosen[row["pid"]] = row
    for row in rows:
        if row["state"] in {"D", "Z"} and len(chosen) < 4 * TOP:
            chosen[row["pid"]] = row
    return list(chosen.values())


async def _from_proc(look: Look) -> list[dict[str, object]]:
    rows = []
    for entry in await look.folder("/proc", max_entries=8192):
        name = entry.path.rpartition("/")[2]
        if name.isdigit():
            row = parse_stat(await look.text_or(f"/proc/{name}/stat"))
            if row:
                rows.append(row)
    return rows
