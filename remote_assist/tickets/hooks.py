"""Webhooks of ticket systems: who sent one, when, and which ticket it is about. Pure.

    Zammad  X-Hub-Signature sha1 · X-Zammad-Delivery           GitHub  X-Hub-Signature-256 · X-GitHub-Delivery
    Jira    X-Hub-Signature sha256 · a time in the body        Zendesk  a signature over time and body, in base64

Rule 1: the signature is checked over the bytes as they came, before anything of them is read.
Rule 2: a hook is believed for one thing: that its ticket is worth a look. How the ticket stands, its system is asked.
"""

import base64
import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import msgspec

from remote_assist.errors import RefusedError, UsageError

REPLAY_WINDOW = timedelta(minutes=5)
"""How old a hook may be that says when it was sent; the others are told apart by their delivery ids alone."""

T = TypeVar("T")

MAX_ID_CHARS = 200


@dataclass(frozen=True, slots=True)
class Hook:
    """A proven hook. `delivery` names it; the same one twice is a repeat."""

    delivery: str
    ticket: str


class _Number(msgspec.Struct):
    id: int | str = ""
    number: int = 0


class _Issue(msgspec.Struct):
    key: str = ""


class _Zammad(msgspec.Struct):
    ticket: _Number


class _Github(msgspec.Struct):
    issue: _Number


class _Jira(msgspec.Struct):
    timestamp: int
    issue: _Issue


class _Zendesk(msgspec.Struct):
    detail: _Number


def proven(kind: str, headers: Mapping[str, str], raw: bytes, *, secret: str, now: datetime) -> Hook:
    """What a hook proves. `headers` by lower-case names. Raises RefusedError for a wrong, old or unknown one."""
    if kind not in KINDS:
        raise RefusedError(f"a {kind} sends no hooks that can be proven", reason="absent")
    if not secret:
        raise RefusedError("this system has no hook secret", reason="unknown-source")
    hook = KINDS[kind](headers, raw, secret.encode(), now)
    if not hook.ticket or not 0 < len(hook.delivery) <= MAX_ID_CHARS:
        raise UsageError("the hook names no ticket, or not itself")
    return hook


def _zammad(headers: Mapping[str, str], raw: bytes, secret: bytes, now: datetime) -> Hook:
    signed = hmac.new(secret, raw, hashlib.sha1).hexdigest()  # Zammad signs with nothing better
    _same(headers.get("x-hub-signature", ""), f"sha1={signed}")
    return Hook(headers.get("x-zammad-delivery", ""), str(_read(raw, _Zammad).ticket.id))


def _github(headers: Mapping[str, str], raw: bytes, secret: bytes, now: datetime) -> Hook:
    _same(headers.get("x-hub-signature-256", ""), f"sha256={hmac.new(secret, raw, hashlib.sha256).hexdigest()}")
    return Hook(headers.get("x-github-delivery", ""), str(_read(raw, _Github).issue.number or ""))


def _jira(headers: Mapping[str, str], raw: bytes, secret: bytes, now: datetime) -> Hook:
    _same(headers.get("x-hub-signature", ""), f"sha256={hmac.new(secret, raw, hashlib.sha256).hexdigest()}")
    said = _read(raw, _Jira)
    _fresh(datetime.fromtimestamp(said.timestamp / 1000, UTC), now)
    return Hook(headers.get("x-atlassian-webhook-identifier", ""), said.issue.key)


def _zendesk(headers: Mapping[str, str], raw: bytes, secret: bytes, now: datetime) -> Hook:
    time = headers.get("x-zendesk-webhook-signature-timestamp", "")
    signed = base64.b64encode(hmac.new(secret, time.encode() + raw, hashlib.sha256).digest()).decode()
    _same(headers.get("x-zendesk-webhook-signature", ""), signed)
    try:
        sent = datetime.fromisoformat(time)
    except ValueError as error:
        raise RefusedError("the hook does not say when it was sent", reason="bad-signature") from error
    _fresh(sent if sent.tzinfo else sent.replace(tzinfo=UTC), now)
    return Hook(headers.get("x-zendesk-webhook-invocation-id", ""), str(_read(raw, _Zendesk).detail.id))


KINDS: dict[str, Callable[[Mapping[str, str], bytes, bytes, datetime], Hook]] = {
    "zammad": _zammad,
    "github": _github,
    "jira-service": _jira,
    "zendesk": _zendesk,
}


def _same(told: str, made: str) -> None:
    if not hmac.compare_digest(told.encode(), made.encode()):
        raise RefusedError("the hook is not signed with this system's secret", reason="bad-signature")


def _fresh(sent: datetime, now: datetime) -> None:
    if abs(now - sent) > REPLAY_WINDOW:
        raise RefusedError("the hook is too old, or a clock is wrong", reason="replayed")


def _read(raw: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(raw, type=kind, strict=False)
    except (msgspec.DecodeError, ValueError) as error:
        raise UsageError(f"the hook cannot be read: {error}") from error
