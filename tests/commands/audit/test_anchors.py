"""`audit anchors` and `audit verify` check what witnesses outside have: against the log, and by its authority."""

import json
import sys
import time
from pathlib import Path

import pytest

from relay.witness.anchors import read_standing
from remote_assist import cli
from remote_assist.settings import AnchorSettings
from tests.commands.served import Served
from tests.stamping import StampServer


def wait_for(served: Served, name: str) -> None:
    end = time.monotonic() + 60
    while not read_standing(served.world.organisation.data, name).size:
        assert time.monotonic() < end
        time.sleep(0.02)


def test_anchors_are_verified_and_a_changed_receipt_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    keeps = (sys.executable, "-c", "print(len(input()))")
    with StampServer(tmp_path / "tsa") as authority:
        anchors = {
            "tsa": AnchorSettings(kind="rfc3161", address=authority.url, timestamp_ca=authority.ca),
            "vault": AnchorSettings(kind="command", command=keeps),
        }
        with Served(tmp_path, monkeypatch, anchors=anchors, checkpoint_interval_seconds=0.05) as served:
            served.become("Rita Example", "reviewer")
            ca = ["--ca", str(tmp_path / "ca.pub")]
            assert cli.main(["audit", "anchors", *ca]) == 0
            assert "no checkpoint was given to a witness yet" in capsys.readouterr().err
            served.session()
            for name in anchors:
                wait_for(served, name)
            assert cli.main(["audit", "anchors", *ca, "-o", str(tmp_path / "out")]) == 0
            said = capsys.readouterr().out
            assert "anchor tsa: 127.0.0.1 has the first" in said and "was not checked (--timestamp-ca)" in said
            (token,) = (tmp_path / "out").glob("*.tsr")
            assert authority.verifies(token.with_suffix(".note"), token)

            trusted = ["--timestamp-ca", str(authority.ca)]
            assert cli.main(["audit", "verify", *ca, *trusted, "--json"]) == 0
            found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
            (stamped,) = [one for one in found if one.get("anchor") == "tsa"]
            assert stamped["authority"] == "CN=Example Time Stamps" and stamped["stamped"].startswith("20")

            served.world.sql("UPDATE anchorings SET receipt = CAST('other' AS BLOB) WHERE anchor = 'vault'")
            assert cli.main(["audit", "verify", *ca]) == 5
            assert "anchor vault" in capsys.readouterr().err
            served.world.sql("DELETE FROM anchorings WHERE anchor = 'vault'")
            assert cli.main(["audit", "anchors", *ca]) == 5
            assert "no anchoring is shown for the record about one" in capsys.readouterr().err
