"""Records as OCSF 1.8 events (https://schema.ocsf.io), one JSON object a line. Own dataclasses, checked by tests
against the published schema.

    session opened, ended, refused, connection → SSH Activity 4007      consent         → Authorize Session 3003
    program, shell, bundle                     → Process Activity 1007  file, folder    → File System Activity 1001
    fix, undo                                  → Remediation 7001       forward         → Tunnel Activity 4014
    everything else, records of no session     → API Activity 6003

Rule: `raw_data` is the record as stored and `metadata.uid` its leaf hash, so an event leads back to its proof.
"""

from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from remote_assist import __version__
from remote_assist.audit.siem_event import SiemEvent
from remote_assist.core.canonical import canonical_bytes
from remote_assist.core.records import leaf_hash
from remote_assist.core.signing.keys import fingerprint
from remote_assist.errors import ContentError

VERSION = "1.8.0"
SHA_256 = 3
SUCCESS, FAILURE, UNKNOWN, OTHER = 1, 2, 0, 99


class _Part(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Base: fields at their default are absent."""


class Product(_Part, frozen=True):
    name: str
    vendor_name: str
    version: str


class Metadata(_Part, frozen=True):
    """`uid`: the leaf hash. `sequence`: the leaf index. `correlation_uid`: the session."""

    product: Product
    version: str
    uid: str
    event_code: str
    sequence: int
    correlation_uid: str
    log_name: str
    original_time: str


class User(_Part, frozen=True):
    name: str
    uid: str = ""
    type: str = ""


class Actor(_Part, frozen=True):
    user: User


class Device(_Part, frozen=True):
    """The customer's machine, as far as the log knows it: the fingerprint of the session's host key."""

    uid: str
    type_id: int = msgspec.field(default=0)


class Fingerprint(_Part, frozen=True):
    value: str
    algorithm_id: int


class Process(_Part, frozen=True):
    uid: str
    name: str = ""


class File(_Part, frozen=True):
    name: str
    path: str
    type_id: int


class Endpoint(_Part, frozen=True):
    uid: str = ""
    name: str = ""


class Session(_Part, frozen=True):
    uid: str


class Api(_Part, frozen=True):
    operation: str


Special = dict[str, object]


@dataclass(frozen=True, slots=True)
class Kind:
    """An OCSF class: its uid, the category, and what it holds beyond what all classes hold."""

    category: int
    number: int
    special: Callable[[SiemEvent], Special]

    @property
    def uid(self) -> int:
        return self.category * 1000 + self.number


def ocsf_line(event: SiemEvent) -> bytes:
    """The event's line, ending in a line feed."""
    return canonical_bytes(ocsf_event(event)) + b"\n"


def ocsf_event(event: SiemEvent) -> dict[str, object]:
    """The event as plain values. Raises ContentError for a record whose bytes are no text."""
    kind, activity = _kind_of(event)
    status = {True: SUCCESS, False: FAILURE, None: UNKNOWN}[event.succeeded]
    outcome = event.record.outcome
    fields: dict[str, object] = {
        "activity_id": activity,
        "category_uid": kind.category,
        "class_uid": kind.uid,
        "type_uid": kind.uid * 100 + activity,
        "severity_id": event.severity,
        "status_id": status,
        "time": round(event.moment.timestamp() * 1000),
        "message": event.message,
        "metadata": msgspec.to_builtins(_metadata(event)),
        "raw_data": _text(event.raw),
        "raw_data_hash": msgspec.to_builtins(Fingerprint(value=event.acknowledgement.hash, algorithm_id=SHA_256)),
        "unmapped": _unmapped(event),
    }
    if activity == OTHER:
        fields["activity_name"] = event.code.name
    if outcome is not None:
        fields["status_detail"] = outcome.reason or outcome.status
    return {**fields, **{name: msgspec.to_builtins(part) for name, part in kind.special(event).items()}}


def _metadata(event: SiemEvent) -> Metadata:
    said = event.acknowledgement
    return Metadata(
        product=Product(name="remote-assist", vendor_name="remote-assist", version=__version__),
        version=VERSION,
        uid=leaf_hash(said.time, said.hash).hex(),
        event_code=event.record.code,
        sequence=said.index,
        correlation_uid=said.session,
        log_name=event.context.log,
        original_time=event.record.time,
    )


def _unmapped(event: SiemEvent) -> dict[str, object]:
    record, context = event.record, event.context
    said: dict[str, object] = {
        "seq": record.seq,
        "actor": {"name": event.who, "kind": record.actor.kind, "key": record.actor.key, "serial": record.actor.serial},
        "name": event.code.name,
        "action": record.action,
        "scope": record.scope,
        "grant": record.grant,
        "catalog": record.catalog,
        "plan": record.plan,
        "paths": list(record.paths),
        "sizes": dict(record.sizes),
        "about": record.about,
        "details": dict(record.details),
        "ticket": context.ticket,
        "ticket_subject": context.subject,
        "sealed": {name: field.commitment for name, field in record.sealed.items()},
    }
    return {name: value for name, value in said.items() if value not in ("", [], {})}


def _kind_of(event: SiemEvent) -> tuple[Kind, int]:
    found = _KINDS.get(event.record.code) or _KINDS.get(event.code.family)
    if found is not None:
        return found
    for start, fallback in _FALLBACKS.items():
        if event.record.code.startswith(start):
            return fallback, _launch_or_end(event) if fallback is PROCESS else OTHER
    return API, OTHER


def _launch_or_end(event: SiemEvent) -> int:
    return 1 if event.code.is_intent else 2 if event.code.is_outcome else OTHER


def _user(event: SiemEvent) -> User:
    actor = event.record.actor
    return User(name=event.who, uid=actor.key, type=actor.kind)


def _device(event: SiemEvent) -> Device:
    return Device(uid=fingerprint(event.context.host) if event.context.host else event.acknowledgement.session)


def _ssh(event: SiemEvent) -> Special:
    return {
        "dst_endpoint": Endpoint(uid=_device(event).uid),
        "src_endpoint": Endpoint(uid=event.context.technician_key or "unknown", name=event.context.technician),
    }


def _authorize(event: SiemEvent) -> Special:
    user = User(name=event.context.technician or "technician", uid=event.context.technician_key, type="technician")
    return {
        "user": user,
        "actor": Actor(user=_user(event)),
        "privileges": event.record.scope.split() or ["none"],
        "session": Session(uid=event.acknowledgement.session),
    }


def _process(event: SiemEvent) -> Special:
    name = event.record.program or event.record.catalog
    uid = f"{event.acknowledgement.session}/{event.record.action or event.record.seq}"
    return {
        "actor": Actor(user=_user(event)),
        "device": _with_type(_device(event)),
        "process": Process(uid=uid, name=name),
    }


def _file(event: SiemEvent) -> Special:
    path = event.record.paths[0] if event.record.paths else "unknown"
    named = File(name=path.rstrip("/").rpartition("/")[2] or path, path=path, type_id=1)
    return {"actor": Actor(user=_user(event)), "device": _with_type(_device(event)), "file": named}


def _remediation(event: SiemEvent) -> Special:
    return {"command_uid": event.record.action or event.record.plan or f"seq {event.record.seq}"}


def _tunnel(event: SiemEvent) -> Special:
    target = event.record.target or (event.record.paths[0] if event.record.paths else "unknown")
    return {
        "session": Session(uid=event.acknowledgement.session),
        "src_endpoint": Endpoint(uid=_device(event).uid),
        "dst_endpoint": Endpoint(name=target),
    }


def _api(event: SiemEvent) -> Special:
    return {
        "actor": Actor(user=_user(event)),
        "api": Api(operation=event.code.name),
        "src_endpoint": Endpoint(uid=event.record.actor.key or event.record.actor.kind),
    }


def _with_type(device: Device) -> dict[str, object]:
    """`type_id` 0 (unknown) is required, so it may not be left out as a default is."""
    return {"uid": device.uid, "type_id": device.type_id}


def _text(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise ContentError("a record that is no text cannot become an OCSF event") from error


SSH = Kind(4, 7, _ssh)
CONSENT = Kind(3, 3, _authorize)
PROCESS = Kind(1, 7, _process)
FILE = Kind(1, 1, _file)
REMEDIATION = Kind(7, 1, _remediation)
TUNNEL = Kind(4, 14, _tunnel)
API = Kind(6, 3, _api)

_KINDS: dict[str, tuple[Kind, int]] = {
    "RA1000E": (SSH, 1),
    "RA1990E": (SSH, 2),
    "RA1900R": (SSH, 5),
    "RA1901E": (SSH, 4),
    "RA1008E": (SSH, OTHER),
    "RA1001E": (CONSENT, 1),
    "RA1002E": (CONSENT, OTHER),
    "RA1003E": (CONSENT, OTHER),
    "RA1004E": (CONSENT, OTHER),
    "RA1005": (CONSENT, OTHER),
    "RA1006E": (CONSENT, OTHER),
    "RA1007E": (CONSENT, OTHER),
    "RA1200": (FILE, 2),
    "RA1201": (FILE, 2),
    "RA1210": (FILE, 2),
    "RA1211": (FILE, 2),
    "RA1202": (FILE, 3),
    "RA1203": (FILE, 5),
    "RA1204": (FILE, 4),
    "RA1205": (FILE, 1),
    "RA1206": (FILE, 4),
    "RA1207": (FILE, 6),
    "RA1208": (FILE, 1),
    "RA1302E": (REMEDIATION, 3),
    "RA1500I": (TUNNEL, 1),
    "RA1500O": (TUNNEL, 2),
}
"""Code or family → class and activity."""

_FALLBACKS: dict[str, Kind] = {
    "RA11": PROCESS,
    "RA12": FILE,
    "RA13": REMEDIATION,
    "RA14": PROCESS,
    "RA15": TUNNEL,
    "RA1": SSH,
}
"""Start of a code → class, for codes that have no line above."""
