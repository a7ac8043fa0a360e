"""Services as facts: state, process, port, and the last log lines of those that failed."""

from remote_assist.diagnostics.look import Gathered, Look, Unavailable
from remote_assist.diagnostics.services.chosen import service_backend


async def services(look: Look) -> Gathered:
    """Failed services first. `port` is there where it is known."""
    backend = await service_backend(look)
    if backend is None:
        raise Unavailable("nothing keeps services here: no systemd, no init scripts, no services folder")
    rows: list[dict[str, object]] = []
    for unit in sorted(await backend.units(), key=lambda each: (each.state != "failed", each.name)):
        row: dict[str, object] = {"name": unit.name, "state": unit.state, "pid": unit.pid, "backend": backend.name}
        if unit.port:
            row["port"] = unit.port
        if unit.state == "failed":
            row["log"] = list(unit.log)
        rows.append(row)
    return Gathered(rows)
