"""Whom `watch` tells about alarms: programs, addresses, and the relay, which finds or opens a ticket for each.

Rule 1: each telling is an action of the customer's, through the gate; a secret goes to the relay it belongs to alone.
Rule 2: what could not be told waits on the disk and is told before what comes later, for a day.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from remote_assist.agent.actions import Action, Ending, base_name
from remote_assist.agent.alone.alarm_queue import AlarmQueue
from remote_assist.agent.alone.local_log import LOCAL
from remote_assist.agent.alone.own_gate import CUSTOMER
from remote_assist.agent.gate import Gate, Running
from remote_assist.agent.machine import Machine
from remote_assist.agent.texts import say
from remote_assist.core.target import Command
from remote_assist.core.watching.alarms import Alarm
from remote_assist.errors import AssistError, RefusedError
from remote_assist.tickets.alarms import FIRING, RESOLVED
from remote_assist.tickets.alarms import Alarm as RelayAlarm
from remote_assist.transport.alarm_post import post_json

TELL_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class AlarmTarget:
    """`place`: a program by its whole path, or an address. With a `secret` it is a relay's inlet.

    `tls_ca_file`: what the address' certificate is checked against, None for the system's.
    """

    place: str
    secret: str = ""
    tls_ca_file: Path | None = None

    @property
    def is_web(self) -> bool:
        """An address, not a program."""
        return urlsplit(self.place).scheme in {"http", "https"}

    def words(self, alarm: Alarm, host: str) -> bytes:
        """The alarm as this target takes it."""
        if self.secret:
            return msgspec.json.encode(relay_form(alarm, host))
        return msgspec.json.encode(alertmanager_form(alarm, host) if self.is_web else alarm)


def relay_target(relay: str, source: str, secret: str, tls_ca_file: Path | None = None) -> AlarmTarget:
    """The inlet of a relay for one of its alarm sources."""
    return AlarmTarget(f"{relay.rstrip('/')}/v1/alarms/{source}/alarm", secret, tls_ca_file)


async def tell_all(
    gate: Gate, queue: AlarmQueue, targets: Sequence[AlarmTarget], alarms: Sequence[Alarm], host: str, now: float
) -> list[str]:
    """Tell each target what waits for it and then each alarm; answers, in words, what could not be told."""
    untold: list[str] = []
    waiting = queue.waiting(now)
    left: dict[str, list[Alarm]] = {}
    for target in targets:
        todo = [*waiting.get(target.place, ()), *alarms]
        while todo:
            try:
                await _tell(gate, target, todo[0], host)
            except AssistError as error:
                untold.append(f"{target.place}: {error.message}; {len(todo)} wait until the next look")
                break
            todo.pop(0)
        left[target.place] = todo
    queue.keep(left)
    return untold


async def _tell(gate: Gate, target: AlarmTarget, alarm: Alarm, host: str) -> None:
    raw, name = target.words(alarm, host), urlsplit(target.place).hostname or ""

    async def work(machine: Machine, running: Running) -> Ending:
        if target.is_web:
            status = await post_json(
                target.place, raw, timeout_seconds=TELL_SECONDS, bearer=target.secret, tls_ca_file=target.tls_ca_file
            )
            return Ending(status="done" if 200 <= status < 300 else "failed", reason=f"answer {status}")
        done = await machine.target.run(Command((target.place,), stdin=raw, timeout_seconds=TELL_SECONDS))
        reason = "" if done.status == 0 else f"status {done.status}"
        return Ending(status="done" if done.status == 0 else "failed", exit=done.status, reason=reason)

    action = Action(
        code="RA1110",
        scope="terminal",
        what=say("what.tell", target=name or target.place),
        program="" if target.is_web else base_name(target.place),
        place=name if target.is_web else "",
    )
    performed = await gate.perform(CUSTOMER, LOCAL, action, work)
    if performed.error is not None:
        raise performed.error
    if performed.ending.status != "done":
        raise RefusedError(f"could not be told ({performed.ending.reason})", reason="not-told")


def name_of(alarm: Alarm, host: str) -> str:
    """The trouble of this machine: the same on another machine has another name."""
    return hashlib.sha256(f"{host}\n{alarm.key}".encode()).hexdigest()[:32]


def relay_form(alarm: Alarm, host: str) -> RelayAlarm:
    """The alarm as our relay's inlet takes it."""
    return RelayAlarm(
        fingerprint=name_of(alarm, host),
        started=alarm.since,
        status=FIRING if alarm.state == "raised" else RESOLVED,
        title=f"{host}: {alarm.title}",
        host=host,
        severity=alarm.severity,
        text=f"{alarm.message}\n{alarm.explanation}\n{alarm.issue} version {alarm.version}",
    )


def alertmanager_form(alarm: Alarm, host: str) -> dict[str, object]:
    """The alarm as Prometheus Alertmanager's webhook (version 4) would say it: many systems take that."""
    firing = "firing" if alarm.state == "raised" else "resolved"
    labels = {"alertname": alarm.issue, "severity": alarm.severity, "subject": alarm.subject, "instance": host}
    one = {
        "status": firing,
        "labels": labels,
        "annotations": {"summary": f"{alarm.title}: {alarm.message}", "description": alarm.explanation},
        "startsAt": alarm.since,
        "endsAt": alarm.time if firing == "resolved" else "0001-01-01T00:00:00Z",
        "fingerprint": name_of(alarm, host),
        "generatorURL": "",
    }
    return {
        "version": "4",
        "groupKey": alarm.key,
        "status": firing,
        "receiver": "remote-assist",
        "groupLabels": {"alertname": alarm.issue},
        "commonLabels": labels,
        "commonAnnotations": {},
        "externalURL": "",
        "alerts": [one],
    }
