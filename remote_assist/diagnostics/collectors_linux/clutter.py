"""What takes room and could be had again: caches, old logs, the journal, dumps."""

from remote_assist.diagnostics.look import Gathered, Look

PLACES = {
    "package-cache": "/var/cache/apt/archives",
    "journal": "/var/log/journal",
    "crash-dumps": "/var/lib/systemd/coredump",
    "crash-reports": "/var/crash",
    "thumbnails": "/root/.cache/thumbnails",
    "logs": "/var/log",
}


async def clutter(look: Look) -> Gathered:
    """Kind, size and the filesystem it lies on. Sizes only."""
    here = {kind: path for kind, path in PLACES.items() if await look.exists(path)}
    if not here:
        return Gathered([])
    sizes = await look.completed("du", "-skx", "--", *here.values(), timeout_seconds=15.0)
    places = await look.completed("df", "-P", "--", *here.values())
    bytes_of = parse_sizes(sizes.stdout.decode("utf-8", "replace"))
    mounts = [line.split()[-1] for line in places.stdout.decode("utf-8", "replace").splitlines()[1:]]
    rows = [
        {"kind": kind, "path": path, "size_bytes": bytes_of.get(path, 0), "mount": mount}
        for (kind, path), mount in zip(here.items(), mounts, strict=False)
    ]
    return Gathered(rows)


def parse_sizes(text: str) -> dict[str, int]:
    """`du -sk`: path → bytes."""
    found = (line.partition("\t") for line in text.splitlines())
    return {path: int(size) * 1024 for size, _, path in found if size.isdigit()}
