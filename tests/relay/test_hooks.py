"""Webhooks: proven by their bytes, once, while they are fresh; and then only a reason to look."""

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiohttp import web

from remote_assist.errors import RefusedError, UsageError
from remote_assist.settings import TicketSystemSettings
from remote_assist.tickets.hooks import Hook, proven
from tests.relay.world import RelayWorld
from tests.tickets.peer import Request, peer
from tests.tickets.test_thin_connectors import CREDENTIAL, ZammadShelf

SECRET = "hook-secret-8472"
NOW = datetime(2026, 11, 22, 10, tzinfo=UTC)


def made(raw: bytes, digest: str) -> str:
    return hmac.new(SECRET.encode(), raw, digest).hexdigest()


def hook(kind: str, sent: datetime = NOW) -> tuple[dict[str, str], bytes]:
    """A hook as its system would send it, about ticket 17 or SUP-17."""
    if kind == "zammad":
        raw = json.dumps({"ticket": {"id": 17, "number": "20017"}, "article": {}}).encode()
        return {"x-hub-signature": f"sha1={made(raw, 'sha1')}", "x-zammad-delivery": "d-1"}, raw
    if kind == "github":
        raw = json.dumps({"action": "closed", "issue": {"id": 99, "number": 17}}).encode()
        return {"x-hub-signature-256": f"sha256={made(raw, 'sha256')}", "x-github-delivery": "d-1"}, raw
    if kind == "jira-service":
        raw = json.dumps({"timestamp": int(sent.timestamp() * 1000), "issue": {"key": "SUP-17"}}).encode()
        return {"x-hub-signature": f"sha256={made(raw, 'sha256')}", "x-atlassian-webhook-identifier": "d-1"}, raw
    raw = json.dumps({"type": "zen:event-type:ticket.status_changed", "detail": {"id": "17"}}).encode()
    time = sent.strftime("%Y-%m-%dT%H:%M:%SZ")
    signed = hmac.new(SECRET.encode(), time.encode() + raw, hashlib.sha256).digest()
    names = ("signature-timestamp", "signature", "invocation-id")
    values = (time, base64.b64encode(signed).decode(), "d-1")
    return {f"x-zendesk-webhook-{name}": value for name, value in zip(names, values, strict=True)}, raw


KINDS = ("zammad", "github", "jira-service", "zendesk")


@pytest.mark.parametrize("kind", KINDS)
def test_a_signed_hook_names_its_delivery_and_ticket(kind: str) -> None:
    headers, raw = hook(kind)
    ticket = "SUP-17" if kind == "jira-service" else "17"
    assert proven(kind, headers, raw, secret=SECRET, now=NOW) == Hook("d-1", ticket)


@pytest.mark.parametrize("kind", KINDS)
def test_a_changed_byte_a_wrong_secret_and_a_missing_signature_are_refused(kind: str) -> None:
    headers, raw = hook(kind)
    for told, body, secret in ((headers, raw + b" ", SECRET), (headers, raw, "other"), ({}, raw, SECRET)):
        with pytest.raises(RefusedError) as refused:
            proven(kind, told, body, secret=secret, now=NOW)
        assert refused.value.reason == "bad-signature"
    with pytest.raises(RefusedError):
        proven(kind, headers, raw, secret="", now=NOW)


@pytest.mark.parametrize("kind", ["jira-service", "zendesk"])
@pytest.mark.parametrize("minutes", [-6, 6])
def test_a_hook_from_another_time_is_refused(kind: str, minutes: int) -> None:
    headers, raw = hook(kind, NOW + timedelta(minutes=minutes))
    with pytest.raises(RefusedError) as refused:
        proven(kind, headers, raw, secret=SECRET, now=NOW)
    assert refused.value.reason == "replayed"


def test_a_hook_without_its_own_name_is_refused() -> None:
    headers, raw = hook("github")
    with pytest.raises(UsageError):
        proven("github", {**headers, "x-github-delivery": ""}, raw, secret=SECRET, now=NOW)


async def test_a_hook_has_the_relay_look_once_and_believe_only_the_system(tmp_path: Path) -> None:
    shelf, asked = ZammadShelf(), []
    for name, text in (("token", CREDENTIAL), ("hook", SECRET)):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o600)

    async def decide(request: Request) -> web.StreamResponse:
        asked.append(request.path)
        return await shelf.decide(request)

    async with peer(decide) as one:
        for _ in range(17):
            shelf.add(title="disk", state="open", owner="-", customer="eve")
        settings = TicketSystemSettings("zammad", one.url, tmp_path / "token", hook_secret=tmp_path / "hook")
        async with RelayWorld(tmp_path, ticket_systems={"zammad": settings}) as world:
            _, token = await world.technician()
            headers, raw = hook("zammad")

            async def told() -> tuple[int, object]:
                status, answered = await world.call("POST", "/v1/hooks/zammad", raw, **headers)
                return status, json.loads(answered).get("looked")

            assert await told() == (200, False)  # nobody looked at that ticket here yet
            assert (await world.call("GET", "/v1/tickets/zammad:17", token=token))[0] == 200
            shelf.ticket("17")["state"] = "closed"
            headers["x-zammad-delivery"] = "d-2"
            before = len(asked)
            assert await told() == (200, True)
            assert await told() == (200, False)
            assert len(asked) == before + 1
            listed = json.loads((await world.call("GET", "/v1/tickets", token=token))[1])["tickets"]
            assert [one["state"] for one in listed] == ["closed"]
            headers["x-hub-signature"] = "sha1=" + "0" * 40
            assert (await told())[0] == 403
