"""Name of a builtin collector → its function, per platform. What the catalog's `builtin:` may say."""

from collections.abc import Awaitable, Callable

from remote_assist.diagnostics.collectors_linux import (
    activity,
    clock,
    logs,
    machine,
    network,
    people,
    sockets,
    software,
    storage,
    tls,
    units,
)
from remote_assist.diagnostics.look import Gathered, Look

Builtin = Callable[[Look], Awaitable[Gathered]]

BUILTINS: dict[tuple[str, str], Builtin] = {
    ("linux", "host"): machine.host,
    ("linux", "cpu"): machine.cpu,
    ("linux", "memory"): machine.memory,
    ("linux", "disk_usage"): storage.filesystems,
    ("linux", "disks"): storage.disks,
    ("linux", "processes"): activity.processes,
    ("linux", "services"): units.services,
    ("linux", "listening_ports"): sockets.listening_ports,
    ("linux", "interfaces"): network.interfaces,
    ("linux", "routes"): network.routes,
    ("linux", "dns"): network.dns,
    ("linux", "time_sync"): clock.time_sync,
    ("linux", "log_digest"): logs.log_digest,
    ("linux", "kernel_log"): logs.kernel_log,
    ("linux", "packages"): software.packages,
    ("linux", "updates"): software.updates,
    ("linux", "certificates"): tls.certificates,
    ("linux", "users"): people.users,
}
