"""What lies on the disks: mounts, big folders, files deleted but open, rights that are too wide."""

import re

import msgspec

from remote_assist.diagnostics.collectors_linux.storage import parse_mounts
from remote_assist.diagnostics.look import Gathered, Look, Unavailable
from remote_assist.errors import AssistError

NETWORK_TYPES = frozenset({"nfs", "nfs4", "cifs", "smb3", "fuse.sshfs", "ceph", "glusterfs", "9p", "davfs"})
BIG_ROOTS = ("/var", "/home", "/opt", "/srv", "/usr", "/tmp", "/root")  # noqa: S108 - looked at, never written
PROCESSES = 3000
CHECKED = (
    ("/tmp", 0o1777, "sticky"),  # noqa: S108
    ("/var/tmp", 0o1777, "sticky"),  # noqa: S108
    ("/dev/shm", 0o1777, "sticky"),  # noqa: S108
    ("/etc/passwd", 0o644, "system"),
    ("/etc/group", 0o644, "system"),
    ("/etc/sudoers", 0o440, "system"),
    ("/etc/crontab", 0o644, "system"),
    ("/etc/hosts", 0o644, "system"),
    ("/etc/fstab", 0o644, "system"),
    ("/etc/ssh/sshd_config", 0o644, "system"),
    ("/etc", 0o755, "system"),
    ("/usr/bin", 0o755, "system"),
    ("/usr/sbin", 0o755, "system"),
    ("/etc/cron.d", 0o755, "system"),
    ("/root", 0o700, "system"),
)
"""Path, what its rights usually are, and which rule holds: sticky for shared folders, else nobody else may write."""

Row = dict[str, object]


async def mounts(look: Look) -> Gathered:
    """What is mounted, and what /etc/fstab names and is not."""
    try:
        rows = parse_findmnt(await look.run("findmnt", "--json", "--list", "-o", "TARGET,FSTYPE,OPTIONS"))
    except Unavailable:
        rows = [
            {"mount": point, "type": "", "read_only": "ro" in options, "network": False}
            for point, options in parse_mounts(await look.linked("/proc/self/mounts")).items()
        ]
    seen = {row["mount"] for row in rows}
    for row in rows:
        row["mounted"], row["configured"] = True, False
    for point, kind, options in parse_fstab(await look.text_or("/etc/fstab")):
        for row in rows:
            row["configured"] = bool(row["configured"]) or row["mount"] == point
            if row["mount"] == point:
                row["wanted_read_only"] = "ro" in options
        if point not in seen and "noauto" not in options:
            more: Row = {"mounted": False, "configured": True, "read_only": False}
            rows.append({"mount": point, "type": kind, "network": kind in NETWORK_TYPES, **more})
    return Gathered(rows)


def parse_findmnt(text: str) -> list[Row]:
    """`findmnt --json --list`; pseudo filesystems are left out."""
    pseudo = {"proc", "sysfs", "cgroup", "cgroup2", "devpts", "mqueue", "securityfs", "debugfs", "tracefs", "bpf"}
    return [
        {
            "mount": each.get("target", ""),
            "type": each.get("fstype", ""),
            "read_only": "ro" in each.get("options", "").split(","),
            "network": each.get("fstype") in NETWORK_TYPES,
        }
        for each in msgspec.json.decode(text.encode(), type=dict[str, list[dict[str, str]]]).get("filesystems", [])
        if each.get("fstype") not in pseudo
    ]


def parse_fstab(text: str) -> list[tuple[str, str, tuple[str, ...]]]:
    """fstab(5): mount point, type and options; swap and `none` are left out."""
    found = []
    for line in text.splitlines():
        parts = line.split()
        if len(parts) >= 4 and not line.lstrip().startswith("#") and parts[1].startswith("/"):
            point = re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), parts[1])
            found.append((point, parts[2], tuple(parts[3].split(","))))
    return found


async def big_folders(look: Look) -> Gathered:
    """The largest folders one level below the usual places, on their own filesystem only."""
    roots = [root for root in BIG_ROOTS if await look.exists(root)]
    done = await look.completed("du", "-xk", "-d1", "--", *roots, timeout_seconds=25, max_bytes=1 << 20)
    rows = parse_du(done.stdout.decode("utf-8", "replace"))
    if not rows:
        raise Unavailable("du found nothing it may read")
    return Gathered(rows[:40], cut=done.truncated)


def parse_du(text: str) -> list[Row]:
    """Largest first."""
    found = re.findall(r"(?m)^(\d+)\t(/.*)$", text)
    rows: list[Row] = [{"path": path, "size_bytes": int(blocks) * 1024} for blocks, path in found]
    return sorted(rows, key=lambda row: -int(str(row["size_bytes"])))


async def deleted_files(look: Look) -> Gathered:
    """Files that were deleted while a program holds them open: their room is not free. Sizes and programs only."""
    entries = await look.folder("/proc", max_entries=8192)
    numbers = [each.path.rpartition("/")[2] for each in entries]
    folders = [f"/proc/{name}/fd" for name in numbers if name.isdigit()][:PROCESSES]
    shape = "%h\t%D:%i\t%s\t%b\n"
    argv = ("find", "-L", *folders, "-maxdepth", "1", "-type", "f", "-links", "0", "-printf", shape)
    done = await look.completed(*argv, timeout_seconds=10)
    rows = []
    for pid, size in parse_deleted(done.stdout.decode("utf-8", "replace")).items():
        name = (await look.text_or(f"/proc/{pid}/comm")).strip()
        rows.append({"pid": pid, "name": name or "?", "size_bytes": size})
    ordered = sorted(rows, key=lambda row: -int(str(row["size_bytes"])))
    return Gathered(
        {
            "total_bytes": sum(int(str(row["size_bytes"])) for row in rows),
            "count": len(rows),
            "largest": ordered[:20],
            "largest_name": str(ordered[0]["name"]) if ordered else "",
            "largest_pid": int(str(ordered[0]["pid"])) if ordered else 0,
        },
        cut=len(numbers) > PROCESSES or done.truncated,
    )


def parse_deleted(text: str) -> dict[int, int]:
    """Process → bytes on disk; a file held by many counts once, for the first."""
    seen: set[str] = set()
    found: dict[int, int] = {}
    for line in text.splitlines():
        match = re.fullmatch(r"/proc/(\d+)/fd\t([\d:]+)\t\d+\t(\d+)", line)
        if match and match[2] not in seen:
            seen.add(match[2])
            found[int(match[1])] = found.get(int(match[1]), 0) + 512 * int(match[3])
    return {pid: size for pid, size in found.items() if size}


async def permissions(look: Look) -> Gathered:
    """Rights of places that are dangerous when too wide. Modes and owners only, nothing is read."""
    rows: list[Row] = []
    for path, usual, rule in CHECKED:
        try:
            status = await look.target.status(path)
        except AssistError:
            continue
        mode = status.mode & 0o7777
        if status.kind == "link":
            continue
        rows.append(
            {
                "path": path,
                "rule": rule,
                "mode": f"{mode:04o}",
                "usual": f"{usual:04o}",
                "owner_id": status.owner_id,
                "world_writable": bool(mode & 0o002),
                "sticky": bool(mode & 0o1000),
            }
        )
    if not rows:
        raise Unavailable("no rights can be seen")
    return Gathered(rows)
