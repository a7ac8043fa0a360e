"""Alarms of monitoring systems, in their own words and in ours. Pure.

    Alertmanager v4 · Icinga and Nagios macros · Zabbix parameters · snmptrapd's traphandle · CloudEvents 1.0 ──▶ Alarm

Rule 1: fingerprint and start name an alarm; the same two are the same alarm however often it is told.
Rule 2: every text came from a network: it is cut to size here and made safe before it is shown or sent on.
"""

import hashlib
from collections.abc import Mapping
from typing import TypeVar

import msgspec

from remote_assist.core.hostile import safe_text
from remote_assist.errors import UsageError

T = TypeVar("T")

MAX_ALARMS = 200
"""Alarms in one message."""

MAX_LABELS = 64
MAX_TITLE_CHARS = 180
MAX_TEXT_CHARS = 4000

FIRING, RESOLVED = "firing", "resolved"


class Alarm(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One alarm. `fingerprint` is the source's name for it, `started` its own time of it; `status`: firing, resolved.

    `agent`: the enrolled machine it is about, when the source says so.
    """

    fingerprint: str
    started: str
    status: str
    title: str
    host: str = ""
    agent: str = ""
    severity: str = ""
    text: str = ""
    url: str = ""


class _Alert(msgspec.Struct, rename="camel"):
    status: str
    labels: dict[str, str]
    annotations: dict[str, str] = {}
    starts_at: str = ""
    generator_url: str = msgspec.field(name="generatorURL", default="")
    fingerprint: str = ""


class _Alertmanager(msgspec.Struct):
    version: str
    alerts: list[_Alert]


class _CloudEvent(msgspec.Struct):
    specversion: str
    id: str
    source: str
    type: str
    subject: str = ""
    time: str = ""
    data: dict[str, object] = {}


def from_alertmanager(raw: bytes) -> tuple[Alarm, ...]:
    """The webhook body of Alertmanager, version 4. Raises UsageError for anything else."""
    body = _read(raw, _Alertmanager)
    if body.version != "4" or len(body.alerts) > MAX_ALARMS:
        raise UsageError(f"this is no message of Alertmanager, version 4, with at most {MAX_ALARMS} alerts")
    return tuple(_alert(one) for one in body.alerts)


def from_cloud_event(raw: bytes, headers: Mapping[str, str]) -> tuple[Alarm, ...]:
    """A CloudEvent 1.0, structured, or binary with its attributes in `ce-` headers."""
    attributes = {name.lower()[3:]: value for name, value in headers.items() if name.lower().startswith("ce-")}
    if attributes:
        data = _read(raw or b"{}", dict[str, object])
        event = msgspec.convert({**attributes, "data": data}, _CloudEvent)
    else:
        event = _read(raw, _CloudEvent)
    if event.specversion != "1.0":
        raise UsageError("this is no CloudEvent of version 1.0")
    words = {name: str(value) for name, value in list(event.data.items())[:MAX_LABELS]}
    status = RESOLVED if event.type.endswith(("resolved", "recovered", "cleared")) else FIRING
    return (
        checked(
            Alarm(
                fingerprint=words.get("fingerprint", "") or f"{event.source} {event.subject or event.id}",
                started=words.get("started", "") or (event.time if status == FIRING else ""),
                status=status,
                title=words.get("title", "") or event.subject or event.type,
                host=words.get("host", ""),
                agent=words.get("agent", ""),
                severity=words.get("severity", ""),
                text=words.get("text", "") or _pairs(words),
                url=words.get("url", ""),
            )
        ),
    )


def from_words(raw: bytes) -> tuple[Alarm, ...]:
    """What `remote-assist alert` and Zabbix's script send: one Alarm as it is."""
    return (checked(_read(raw, Alarm)),)


def from_monitoring_macros(macros: Mapping[str, str]) -> Alarm | None:
    """A notification of Icinga 2 or Nagios, from the environment of its command; None for what is no alarm.

    Plain names as in Icinga 2's scripts (NOTIFICATIONTYPE, HOSTNAME …) or Nagios' NAGIOS_ ones.
    """
    said = {name.removeprefix("NAGIOS_"): value for name, value in macros.items()}
    kinds = {"PROBLEM": FIRING, "RECOVERY": RESOLVED}
    status = kinds.get(said.get("NOTIFICATIONTYPE", ""))
    host = said.get("HOSTNAME", "") or said.get("HOSTDISPLAYNAME", "")
    if status is None or not host:
        return None
    service = said.get("SERVICEDESC", "") or said.get("SERVICENAME", "")
    state = said.get("SERVICESTATE", "") or said.get("HOSTSTATE", "")
    output = said.get("SERVICEOUTPUT", "") or said.get("HOSTOUTPUT", "")
    return checked(
        Alarm(
            fingerprint=f"{host}!{service}" if service else host,
            started=said.get("SERVICEPROBLEMID", "") or said.get("HOSTPROBLEMID", ""),
            status=status,
            title=f"{host}: {service or 'host'} is {state}",
            host=host,
            severity=state.lower(),
            text="\n".join(part for part in (output, said.get("LONGSERVICEOUTPUT", "")) if part),
        )
    )


UNTOLD = ("sysUpTime", ".3.6.1.2.1.1.3.", "snmpTrapCommunity", ".3.6.1.6.3.18.1.4.")
"""What of a trap is no news, or nobody's business on a ticket: the uptime, and the community string, which is a
password; snmptrapd hands it on with SNMPv1 traps."""

SENDER = ".3.6.1.6.3.18.1.3.0"


def from_trap(lines: str) -> Alarm:
    """What snmptrapd gives a traphandle: host name, transport address, then `OID value` lines."""
    host, _, rest = lines.partition("\n")
    address, _, pairs = rest.partition("\n")
    values = dict(line.partition(" ")[::2] for line in pairs.splitlines()[:MAX_LABELS] if line.strip())
    trap = next(
        (value for name, value in values.items() if "snmpTrapOID" in name or name.endswith("6.3.1.1.4.1.0")), ""
    )
    if not host.strip() or not trap:
        raise UsageError("this is not what snmptrapd gives a traphandle", advice="docs/tickets.md shows its line.")
    told = {name: value for name, value in values.items() if not any(one in name for one in UNTOLD)}
    host = _sender(values) or host.strip()
    up = trap.endswith((".linkUp", "6.3.1.1.5.4"))
    about = trap.replace("linkUp", "linkDown").replace("6.3.1.1.5.4", "6.3.1.1.5.3")
    index = [f"{name}={value}" for name, value in told.items() if "ifIndex" in name or "2.2.1.1" in name]
    return checked(
        Alarm(
            fingerprint=hashlib.sha256(" ".join([host, about, *index]).encode()).hexdigest()[:32],
            started="",
            status=RESOLVED if up else FIRING,
            title=f"{host}: {trap}",
            host=host,
            text=f"{address}\n{_pairs(told)}",
        )
    )


def _sender(values: Mapping[str, str]) -> str:
    """Who sent a trap that somebody passed on: snmpTrapAddress."""
    return next((value for name, value in values.items() if "snmpTrapAddress" in name or name.endswith(SENDER)), "")


def checked(alarm: Alarm) -> Alarm:
    """The alarm with texts cut and made safe. Raises UsageError for one without a name or with an unknown status."""
    if not alarm.fingerprint or len(alarm.fingerprint) > 500 or len(alarm.started) > 100:
        raise UsageError("an alarm has a fingerprint of at most 500 characters, and a start of at most 100")
    if alarm.status not in {FIRING, RESOLVED}:
        raise UsageError(f"an alarm is {FIRING} or {RESOLVED}, not {alarm.status[:40]!r}")

    def line(text: str, most: int = 200) -> str:
        return str(safe_text(text, max_chars=most))

    return Alarm(
        fingerprint=line(alarm.fingerprint, 500),
        started=line(alarm.started, 100),
        status=alarm.status,
        title=line(alarm.title, MAX_TITLE_CHARS) or "an alarm without a title",
        host=line(alarm.host),
        agent=line(alarm.agent),
        severity=line(alarm.severity, 40),
        text="\n".join(line(one, 500) for one in alarm.text[:MAX_TEXT_CHARS].splitlines()[:60]),
        url=line(alarm.url, 500),
    )


def note_text(alarm: Alarm, *, offer: str) -> str:
    """The alarm as the ticket's note tells it. `offer`: how a technician may answer it, or nothing."""
    state = "Alarm" if alarm.status == FIRING else "Resolved"
    about = [f"{alarm.host}" if alarm.host else "", alarm.severity, f"since {alarm.started}" if alarm.started else ""]
    parts = [f"{state}: {alarm.title}", ", ".join(part for part in about if part), alarm.text, alarm.url, offer]
    return "\n".join(part for part in parts if part)


def _alert(one: _Alert) -> Alarm:
    labels, said = one.labels, one.annotations
    shown = {name: value for name, value in list(labels.items())[:MAX_LABELS] if name != "alertname"}
    return checked(
        Alarm(
            fingerprint=one.fingerprint or _pairs(labels),
            started=one.starts_at,
            status=one.status,
            title=f"{labels.get('alertname', 'alert')}: {said.get('summary', '') or labels.get('instance', '')}",
            host=labels.get("instance", "") or labels.get("host", ""),
            agent=labels.get("agent", "") or labels.get("agent_id", ""),
            severity=labels.get("severity", ""),
            text="\n".join(part for part in (said.get("description", ""), _pairs(shown)) if part),
            url=said.get("runbook_url", "") or one.generator_url,
        )
    )


def _pairs(values: Mapping[str, str]) -> str:
    return "\n".join(f"{name} = {value}" for name, value in values.items())


def _read(raw: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(raw, type=kind)
    except (msgspec.DecodeError, ValueError) as error:
        raise UsageError(f"the alarm cannot be read: {error}") from error
