"""Disks and what is on them."""

import re

from remote_assist.diagnostics.collectors_linux.paths import parse_du
from remote_assist.diagnostics.collectors_macos.reading import Row, below, present, profile, text_of
from remote_assist.diagnostics.look import Gathered, Look

KINDS = ("SPNVMeDataType", "SPSerialATADataType")
PLACES = ("/Users", "/Library", "/Applications", "/private/var")
_DF = re.compile(r"^(\S.*?)\s+(\d+)\s+(\d+)\s+(-?\d+)\s+(\d+)%\s+(\d+)\s+(\d+)\s+(\d+|-)%?\s+(/.*)$")
_MOUNT = re.compile(r"^.+ on (/.*) \((\w+)(.*)\)$")
NETWORK_TYPES = frozenset(("smbfs", "nfs", "afpfs", "webdav", "ftp"))


async def filesystems(look: Look) -> Gathered:
    """Mounted filesystems. Volumes of one APFS container share its space."""
    kinds = {place: (kind, flags) for place, kind, flags in await _mounted(look)}
    rows = []
    for line in (await look.run("df", "-kiP")).splitlines():
        found = _DF.match(line)
        kind, flags = kinds.get(found[9], ("", "")) if found else ("", "")
        if found is None or kind in {"devfs", "autofs", ""}:
            continue
        size, used, free = (int(found[number]) * 1024 for number in (2, 3, 4))
        inodes = int(found[6]) + int(found[7])
        rows.append(
            {
                "mount": found[9],
                "type": kind,
                "size_bytes": size,
                "used_bytes": used,
                "available_bytes": max(free, 0),
                "used_pct": float(found[5]),
                "inodes": inodes,
                "inodes_used_pct": round(100 * int(found[6]) / inodes, 1) if inodes else 0.0,
                "read_only": "read-only" in flags,
            }
        )
    return Gathered(rows)


async def mounts(look: Look) -> Gathered:
    """What is mounted where."""
    found = [each for each in await _mounted(look) if each[1] not in {"devfs", "autofs"}]
    return Gathered(
        [
            {
                "mount": place,
                "type": kind,
                "read_only": "read-only" in flags,
                "network": kind in NETWORK_TYPES,
                "mounted": True,
            }
            for place, kind, flags in found
        ]
    )


async def _mounted(look: Look) -> list[tuple[str, str, str]]:
    lines = (await look.run("mount")).splitlines()
    return [(found[1], found[2], found[3]) for line in lines if (found := _MOUNT.match(line))]


async def disks(look: Look) -> Gathered:
    """Disks by their controllers."""
    return Gathered([_disk(row) for row in await _devices(look)])


async def smart(look: Look) -> Gathered:
    """What the disks say of their own health."""
    rows = []
    for row in await _devices(look):
        status = text_of(row, "smart_status", "spsata_smart_status")
        rows.append(present(name=_name(row), healthy={"Verified": True, "Failing": False}.get(status)))
    return Gathered(rows)


async def _devices(look: Look) -> list[Row]:
    found = await profile(look, *KINDS)
    return [row for rows in found.values() for row in below(rows) if "size_in_bytes" in row and "device_model" in row]


def _disk(row: Row) -> Row:
    size = row["size_in_bytes"]
    return present(
        name=_name(row),
        kind="disk",
        size_bytes=size if isinstance(size, int) else None,
        model=text_of(row, "device_model"),
        serial=text_of(row, "device_serial"),
        rotational="medium_type" in text_of(row, "spsata_medium_type")
        or text_of(row, "spsata_medium_type") == "Rotational",
    )


def _name(row: Row) -> str:
    return text_of(row, "bsd_name", "_name")


async def big_folders(look: Look) -> Gathered:
    """The largest folders, on this disk only."""
    argv = ("du", "-xk", "-d", "1", *PLACES)
    done = await look.completed(*argv, timeout_seconds=50.0)
    return Gathered(parse_du(done.stdout.decode("utf-8", "replace")))


async def encryption(look: Look) -> Gathered:
    """Whether FileVault is on. Recovery keys are never asked for."""
    said = await look.run("fdesetup", "status")
    return Gathered({"encrypted_volumes": int("FileVault is On" in said)})
