"""Sealed content ends with its period or by an order, never under a hold; proofs go on holding; no copy undoes it."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from relay.backup import back_up, restore
from relay.log.retention_periods import PRESETS, days_of, fault_in
from relay.storage.schema import chunks, wraps
from remote_assist import cli
from remote_assist.core.messages import Wrap
from tests.commands.served import Served


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    with Served(tmp_path, monkeypatch, retention={"content": "pci-1y"}) as running:
        yield running


def held_keys(served: Served) -> set[tuple[str, str]]:
    """(session, content key) of every wrap the relay holds."""
    store = served.world.relay._store
    assert store is not None
    rows = served.do(store.read(lambda connection: connection.execute(select(wraps)).all()))
    return {(row.session, row.key_id) for row in rows}


def sweep(served: Served) -> int:
    return served.do(served.world.relay.log.retention.sweep())


def test_presets_and_days_are_read_and_anything_else_is_refused() -> None:
    assert days_of("90d") == 90 and days_of("hipaa-6y") == PRESETS["hipaa-6y"] >= 6 * 365
    assert all(days_of(text) is None for text in ("", "0d", "-1d", "1y", "soon", "999999d"))
    assert fault_in({"content": "sox-7y", "recordings": "30d"}) == ""
    assert "no class 'bundles'" in fault_in({"bundles": "30d"})
    assert "content is 'long'" in fault_in({"content": "long"})


def test_content_ends_with_its_period_and_the_log_says_so_and_still_verifies(
    served: Served, capsys: pytest.CaptureFixture[str]
) -> None:
    old, new = served.session(wraps=True), served.session(wraps=True, ended=False)
    served.world.clock.turn(days=364)
    assert sweep(served) == 0 and len(held_keys(served)) == 2
    served.world.clock.turn(days=2)
    assert sweep(served) == 1 and sweep(served) == 0
    assert {session for session, _ in held_keys(served)} == {new.session}, "a session that goes on keeps its keys"
    served.world.clock.turn(days=-366)  # her program lives today
    served.become("Rita Example", "reviewer")
    assert cli.main(["audit", "verify"]) == 0
    capsys.readouterr()
    assert cli.main(["audit", "report", "control-failures", "--json"]) == 0
    (event,) = json.loads(capsys.readouterr().out)["tables"]["Events"]
    assert event["code"] == "RA2013E" and old.session in event["details"] and "pci-1y" in event["details"]


@pytest.mark.parametrize("what", ["session", "ticket", "everything"])
def test_a_hold_stops_time_and_orders_until_it_is_lifted(
    served: Served, what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    agent = served.session(wraps=True)
    served.become("Rita Example", "reviewer")
    ticket = served.do(served.world.get(f"/v1/sessions/{agent.session}", dict, reviewers_token(served)))["ticket"]
    about = {"session": agent.session, "ticket": f"ticket {ticket}", "everything": "everything"}[what]
    assert cli.main(["audit", "hold", "set", about, "--reason", "court order 7"]) == 0
    assert cli.main(["audit", "hold", "set", about, "--reason", "again"]) == 3
    assert cli.main(["audit", "hold", "set", "the moon", "--reason", "no such thing"]) == 3
    served.become("Oscar Example", "operator")
    assert cli.main(["audit", "erase", agent.session, "--reason", "asked for", "--yes"]) == 3
    assert "legal hold" in capsys.readouterr().err and held_keys(served)
    assert cli.main(["audit", "hold", "lift", about, "--reason", "case closed"]) == 0
    assert cli.main(["audit", "hold", "lift", about, "--reason", "again"]) == 3
    assert cli.main(["audit", "erase", agent.session, "--reason", "asked for"]) == 2
    assert cli.main(["audit", "erase", agent.session, "--reason", "asked for", "--yes"]) == 0
    assert not held_keys(served)


def reviewers_token(served: Served) -> str:
    person = served.world.person("Rita Example", "reviewer")
    return served.do(served.world.login(person, "reviewer")).token


def test_erasing_one_subjects_key_leaves_the_others_and_only_operators_may(served: Served) -> None:
    agent = served.session(ended=False)
    two = tuple(Wrap(key_id=f"k-{name}", reviewer="r-1", sealed=b"x") for name in ("anna", "bert"))
    served.do(agent.append(agent.record("RA1006E"), wraps=two))
    served.become("Rita Example", "reviewer")
    assert cli.main(["audit", "erase", agent.session, "--reason", "asked for", "--yes"]) == 3
    served.become("Oscar Example", "operator")
    asked = ["audit", "erase", agent.session, "--content-key", "k-anna", "--reason", "article 17", "--yes"]
    assert cli.main(asked) == 0
    assert held_keys(served) == {(agent.session, "k-bert")}
    assert cli.main(["audit", "erase", "s-" + "a" * 16, "--reason", "asked for", "--yes"]) == 2


def test_a_restore_undoes_no_erasure_and_the_restored_log_verifies(
    served: Served, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    agent = served.session(wraps=True)
    data = served.world.organisation.data
    before = tmp_path / "before.backup"
    back_up(data, before)
    served.become("Oscar Example", "operator")
    assert cli.main(["audit", "erase", agent.session, "--reason", "article 17", "--yes"]) == 0
    restore(before, tmp_path / "again", known_index=None, known_checkpoint=None, accept_rollback=True)
    from relay.storage.database import open_engine

    engine = open_engine(str(tmp_path / "again" / "relay.db"))
    with engine.connect() as connection:
        assert connection.execute(select(wraps)).all() == [] and connection.execute(select(chunks)).all() == []
    engine.dispose()
    served.become("Rita Example", "reviewer")
    assert cli.main(["audit", "verify", agent.session]) == 0
    assert "verified: 8 records" in capsys.readouterr().out
