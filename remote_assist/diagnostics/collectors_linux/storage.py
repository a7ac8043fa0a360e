"""Filesystems with their inodes, and disks."""

import re

import msgspec

from remote_assist.diagnostics.look import Gathered, Look, Unavailable

READ_ONLY_IMAGES = frozenset({"squashfs", "iso9660", "cramfs", "erofs", "udf"})
"""Always full by nature."""

_COLUMNS = "fstype,size,used,avail,itotal,iused,target"


async def filesystems(look: Look) -> Gathered:
    """Local mounted filesystems; network ones are left out because asking a dead server hangs."""
    try:
        text = await look.run("df", "-l", "-k", f"--output={_COLUMNS}")
        rows = parse_df(text)
    except Unavailable:
        rows = parse_posix_df(await look.run("df", "-P", "-k"))
    options = parse_mounts(await look.text_or("/proc/self/mounts") or await look.linked("/proc/self/mounts"))
    for row in rows:
        row["read_only"] = "ro" in options.get(str(row["mount"]), ())
    return Gathered(rows)


def parse_df(text: str) -> list[dict[str, object]]:
    """GNU `df --output`: a row a filesystem that has a size."""
    rows: list[dict[str, object]] = []
    for line in text.splitlines()[1:]:
        parts = line.split(None, 6)
        if len(parts) < 7 or parts[0] in READ_ONLY_IMAGES or not parts[1].isdigit() or parts[1] == "0":
            continue
        size, used, available = (int(each) * 1024 if each.isdigit() else 0 for each in parts[1:4])
        inodes, inodes_used = (int(each) if each.isdigit() else 0 for each in parts[4:6])
        rows.append(_row(parts[6], parts[0], size, used, available, inodes, inodes_used))
    return _distinct(rows)


def parse_posix_df(text: str) -> list[dict[str, object]]:
    """POSIX `df -P -k`, where there is no GNU one: without type and inodes."""
    rows: list[dict[str, object]] = []
    for line in text.splitlines()[1:]:
        match = re.match(r".+?\s+(\d+)\s+(\d+)\s+(\d+)\s+\d+%\s+(/.*)$", line)
        if match and match[1] != "0":
            size, used, available = (int(each) * 1024 for each in match.groups()[:3])
            rows.append(_row(match[4], "", size, used, available, 0, 0))
    return _distinct(rows)


def parse_mounts(text: str) -> dict[str, tuple[str, ...]]:
    """Mount point → options from /proc/mounts (octal escapes undone)."""
    mounts: dict[str, tuple[str, ...]] = {}
    for line in text.splitlines():
        parts = line.split(" ")
        if len(parts) >= 4:
            point = re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), parts[1])
            mounts[point] = tuple(parts[3].split(","))
    return mounts


def _row(
    mount: str, kind: str, size: int, used: int, available: int, inodes: int, inodes_used: int
) -> dict[str, object]:
    reachable = used + available
    return {
        "mount": mount,
        "type": kind,
        "size_bytes": size,
        "used_bytes": used,
        "available_bytes": available,
        "used_pct": round(100 * used / reachable, 1) if reachable else 0.0,
        "inodes": inodes,
        "inodes_used_pct": round(100 * inodes_used / inodes, 1) if inodes else 0.0,
    }


def _distinct(rows: list[dict[str, object]]) -> list[dict[str, object]]:
    """The last mount on a point is the one that is seen."""
    return list({str(row["mount"]): row for row in rows}.values())


async def disks(look: Look) -> Gathered:
    """Block devices and software RAID."""
    columns = "NAME,TYPE,SIZE,MODEL,SERIAL,ROTA,RO"
    try:
        rows = parse_lsblk(await look.run("lsblk", "-J", "-b", "-o", columns))
    except Unavailable:
        rows = parse_partitions(await look.text("/proc/partitions"))
    degraded = set(re.findall(r"(?m)^(md\d+) :(?:.*\n.*)\[U*_[U_]*\]", await look.text_or("/proc/mdstat")))
    for row in rows:
        row["degraded"] = row["name"] in degraded
    return Gathered(rows)


def parse_lsblk(text: str) -> list[dict[str, object]]:
    """`lsblk -J -b`, flattened; older versions write numbers and booleans as text."""
    rows: list[dict[str, object]] = []

    def add(device: dict[str, object]) -> None:
        size = int(str(device.get("size") or 0))
        if size and device.get("type") != "loop":
            rows.append(
                {
                    "name": str(device.get("name")),
                    "kind": str(device.get("type") or ""),
                    "size_bytes": size,
                    "model": str(device.get("model") or "").strip(),
                    "serial": str(device.get("serial") or ""),
                    "rotational": device.get("rota") in (True, "1"),
                    "read_only": device.get("ro") in (True, "1"),
                }
            )
        children = device.get("children")
        for child in children if isinstance(children, list) else []:
            add(child)

    for device in msgspec.json.decode(text.encode(), type=dict[str, list[dict[str, object]]]).get("blockdevices", []):
        add(device)
    return rows


def parse_partitions(text: str) -> list[dict[str, object]]:
    """/proc/partitions, where there is no lsblk."""
    found = re.findall(r"(?m)^\s*\d+\s+\d+\s+(\d+)\s+(\S+)$", text)
    return [{"name": name, "kind": "", "size_bytes": int(blocks) * 1024} for blocks, name in found if int(blocks)]
