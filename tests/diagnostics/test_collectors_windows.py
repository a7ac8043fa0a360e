"""Collectors of Windows over what their PowerShell would print. None has run on a real Windows."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from remote_assist.core.catalog.model import Catalog
from remote_assist.core.catalog.powershell import powershell_argv, script_of
from remote_assist.diagnostics.gather import gather
from remote_assist.diagnostics.look import Look
from tests.diagnostics.recorded_target import RecordedTarget

NOW = datetime(2026, 11, 29, 7, tzinfo=UTC)
PRINTED: dict[str, str] = yaml.safe_load((Path(__file__).parent / "data" / "windows.yaml").read_text())["printed"]


def windows(catalog: Catalog, name: str, printed: str) -> RecordedTarget:
    (each,) = [one for one in catalog.collectors[name].implementations if one.platform == "windows"]
    return RecordedTarget("windows", {" ".join(powershell_argv(each.powershell)): printed}, {}, NOW.timestamp())


@pytest.mark.parametrize("name", sorted(PRINTED))
async def test_a_collector_types_what_powershell_prints(catalog: Catalog, name: str) -> None:
    outcome = await gather(catalog.collectors[name], Look(windows(catalog, name, PRINTED[name]), now=NOW))
    assert (outcome.status, outcome.reason) == ("ok", "")
    rows = [{key: value for key, value in row.items() if value is not None} for row in json.loads(PRINTED[name])]
    assert outcome.facts == (rows[0] if catalog.collectors[name].fields else rows)


@pytest.mark.parametrize("name", sorted(PRINTED))
async def test_nonsense_and_wrong_types_are_failures_of_that_collector_only(catalog: Catalog, name: str) -> None:
    for printed in ("", "{", "null", "[[]]", '[{"hostname": 5, "name": {}, "count": "x", "mount": 1, "subject": []}]'):
        outcome = await gather(catalog.collectors[name], Look(windows(catalog, name, printed), now=NOW))
        assert outcome.status in {"ok", "failed", "unavailable"}
        assert outcome.status == "failed" or not outcome.facts or printed.startswith("[{")


def test_every_windows_collector_is_constant_powershell_whose_parameters_travel_as_base64(catalog: Catalog) -> None:
    texts = [
        each
        for name, one in catalog.collectors.items()
        if name != "trend"
        for each in one.implementations
        if each.platform == "windows"
    ]
    assert len(texts) >= 44
    assert all(each.powershell and each.unverified for each in texts)
    script = script_of(powershell_argv("$p.name", {"name": "'; Remove-Item C:\\ #"}))
    assert "Remove-Item" not in script
    assert script.splitlines()[-1].startswith("ConvertTo-Json")
