"""Collectors of macOS over outputs written from the documentation of each tool. None has run on a real Mac."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from remote_assist.core.catalog.model import Catalog
from remote_assist.diagnostics.gather import gather
from remote_assist.diagnostics.look import Look
from tests.diagnostics.recorded_target import RecordedTarget, recorded
from tests.diagnostics.test_certificates import certificate

NOW = datetime(2026, 11, 29, 7, tzinfo=UTC)
TOLD = recorded("macos")


def mac(**more: str) -> RecordedTarget:
    return RecordedTarget("macos", {**TOLD["commands"], **more}, TOLD["files"], NOW.timestamp())


@pytest.mark.parametrize("name", sorted(TOLD["expect"]))
async def test_a_collector_types_what_the_mac_prints(catalog: Catalog, name: str) -> None:
    outcome = await gather(catalog.collectors[name], Look(mac(), now=NOW))
    assert (outcome.status, outcome.reason) == ("ok", "")
    assert outcome.facts == TOLD["expect"][name]


async def test_processes_are_named_without_their_arguments(catalog: Catalog) -> None:
    outcome = await gather(catalog.collectors["processes"], Look(mac(), now=NOW))
    assert isinstance(outcome.facts, list)
    assert outcome.facts[0] == {
        "pid": 812, "parent": 1, "user": "alice", "state": "R", "memory_bytes": 921600000, "cpu_pct": 95.5,
        "seconds": 605, "name": "Photos Helper",
    }  # fmt: skip
    assert outcome.facts[1]["seconds"] == 93784


async def test_folders_and_certificates_and_classic_logs_are_read(catalog: Catalog, tmp_path: Path) -> None:
    pem = certificate(tmp_path, 30.0)[0].read_text()
    target = mac(**{"security find-certificate -a -p /Library/Keychains/System.keychain": pem + "noise" + pem[:40]})
    look = Look(target, now=NOW)
    found = (await gather(catalog.collectors["certificates"], look)).facts
    assert isinstance(found, list) and len(found) == 1
    assert found[0]["source"] == "keychain"
    folders = (await gather(catalog.collectors["big_folders"], look)).facts
    assert isinstance(folders, list) and folders[0]["size_bytes"] >= 52428800 * 1024
    logs = (await gather(catalog.collectors["app_logs"], look)).facts
    assert isinstance(logs, list) and "Install Failed" in logs[0]["last"]


@pytest.mark.parametrize("name", sorted([*TOLD["expect"], "processes", "certificates", "big_folders", "app_logs"]))
async def test_a_mac_that_answers_nonsense_costs_its_own_facts_only(catalog: Catalog, name: str) -> None:
    for noise in ("", "\x00\xff{[" * 50, '{"a": ' * 200, "9" * 5000):
        commands = dict.fromkeys(TOLD["commands"], noise)
        target = RecordedTarget("macos", commands, dict.fromkeys(TOLD["files"], noise), NOW.timestamp())
        outcome = await gather(catalog.collectors[name], Look(target, now=NOW))
        assert outcome.status in {"ok", "unavailable", "failed", "cut"}
