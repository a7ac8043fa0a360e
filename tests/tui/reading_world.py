"""What there is to read in the small world: three articles, what changed between two bundles, one recording."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from remote_assist.core.agreements.enrolment import Enrolment, Machine
from remote_assist.core.identity.certificates import Certificate
from remote_assist.core.log.asciicast import MARKER, OUTPUT, Event
from remote_assist.technician.knowledge import Article


@dataclass(frozen=True)
class WorldMachine:
    machine: Machine
    here: bool
    seen: str


def machine(
    id: str, name: str, *, here: bool, by: str = "Alice Example", seen: str = "2026-03-14T14:00:00Z"
) -> WorldMachine:
    moment = datetime(2026, 3, 14, 14, 0, tzinfo=UTC)
    certificate = Certificate("", by, 1, "", "", ("technician",), moment, moment, "", "")
    enrolment = Enrolment(
        version=1, name=name, enrolment_key="k", consent_key="c", relay="r", organisation_ca="o",
        issued="2026-03-01T09:30:00Z",
    )  # fmt: skip
    return WorldMachine(Machine(id, enrolment, certificate), here, seen)


MACHINES = (machine("m-1", "web-1", here=True), machine("m-2", "db-1", here=False))

ARTICLES = (
    Article(
        "linux.disk.fills", "issue", "A file system will be full within a day", "medium", "storage",
        ("A file system will be full within a day  (linux.disk.fills, version 2)", "looks at    disks, trends",
         "            At this rate writes will fail.", "fail        when disks.exists(d, d.free < 5)   /var is full"),
    ),
    Article(
        "linux.service.port-taken", "issue", "A service failed because its port is taken", "high", "services",
        ("A service failed because its port is taken  (linux.service.port-taken, version 1)",
         "            fix linux.service.free-port: Stop the program that holds the port"),
    ),
    Article(
        "linux.service.free-port", "fix", "Stop the program that holds the port", "medium", "",
        ("Stop the program that holds the port  (linux.service.free-port, version 3)", "risk        medium"),
    ),
)  # fmt: skip


@dataclass(frozen=True)
class WorldChange:
    kind: str
    name: str
    change: str
    before: str = ""
    after: str = ""


@dataclass(frozen=True)
class WorldCompared:
    changes: Sequence[WorldChange]
    notes: Sequence[str]


CHANGES = (
    WorldChange("package", "apache2", "added", "", "2.4.62-1"),
    WorldChange("service", "nginx.service", "changed", "active", "failed"),
    WorldChange("port", "tcp 80", "changed", "nginx", "apache2"),
    WorldChange("user", "temp", "removed", "uid 1009", ""),
)

RECORDED = (
    Event(0.1, OUTPUT, "\x1b[1malice@web-07\x1b[0m:~$ "),
    Event(0.9, OUTPUT, "systemctl status nginx\r\n"),
    Event(1.2, MARKER, "a8 Applies a planned fix"),
    Event(1.5, OUTPUT, "\x1b[31mfailed\x1b[0m: port 80 is taken\r\n"),
)
