"""The other order, with the commands people have: the customer asks and reads out a code, the technician accepts it."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from remote_assist.core.codes import parse_code
from remote_assist.core.words import WORDS
from tests.scenarios.onscreen import OnScreen
from tests.scenarios.world import World, next_line

pytestmark = pytest.mark.slow

SCOPES = "diagnose,files:read,terminal"
HOMES = ("customer-home", "other-home")


@pytest.fixture(scope="module")
def organisation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    world = World(tmp_path_factory.mktemp("customer-first"))
    try:
        world.take_organisation()
        # Everybody here has one address, which pays for every code that is tried in vain (tests/relay/test_asks.py).
        (world.folder / "relay.toml").write_text("penalty_seconds = 0.01\n")
        world.serve()
        world.login()
        world.command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "bob")
        world.command("ca", "sign", "bob.pub", "--dir", "org", "--name", "Bob Example", "--role", "technician")
        world.login("bob")
        yield world
    finally:
        world.close()


@pytest.fixture
def world(organisation: World) -> Iterator[World]:
    """Every test has a customer nobody remembers anything of."""
    yield organisation
    for home in HOMES:
        if (organisation.folder / home).exists():
            (organisation.folder / home).rename(organisation.folder / f"{home}-{os.urandom(4).hex()}")
    for log in organisation.folder.glob("agent.log"):
        log.unlink()


def asking(world: World, *options: str, home: str = "customer-home") -> tuple["subprocess.Popen[str]", str]:
    """A customer's program without a terminal, and the code it made."""
    words = ["ask", "--plain", "--ca", "org/ca.pub", "--accept", SCOPES, *options]
    program = world.start("remote-assist", *words, home=home, log="agent.log")
    code = next_line(program)
    assert code, world.log("agent.log")
    return program, code


def accepting(world: World, code: str, *options: str, expect: int = 0, home: str = "alice-home") -> str:
    """What a technician's `accept` prints, errors after it."""
    words = ["accept", "--ticket", world.new_ticket(), "--code", "-", "--scopes", SCOPES, *options]
    done = world.command(*words, home=home, stdin=f"{code}\n", expect=expect)
    return done.stdout + done.stderr


def with_other_words(code: str) -> str:
    """The same number with words that are words, and not these."""
    number, *words = code.split("-")
    return "-".join([number, *(WORDS[(WORDS.index(word) + 1) % len(WORDS)] for word in words)])


def told(world: World) -> list[str]:
    return [json.loads(line)["id"] for line in world.command("sessions", "--json").stdout.splitlines()]


def test_a_whole_session_begins_with_the_customer_and_its_records_hold(world: World) -> None:
    customer, code = asking(world, "--message", "The shop answers nothing since ten")
    assert parse_code(code).words not in world.log("relay.log")
    session = accepting(world, code, "--plain").strip()
    assert next_line(customer) == session
    assert world.command("run", session, "--", "echo", "reached").stdout == "reached\n"
    said = [json.loads(line) for line in world.command("chat", session, "--json", "--history").stdout.splitlines()]
    assert [(one["author"], one["text"]) for one in said] == [("customer", "The shop answers nothing since ten")]
    world.command("end", session, "--note", "done")
    assert customer.wait(60) == 0
    assert "verified" in world.command("audit", "verify", session).stdout
    records = [json.loads(line) for line in world.command("audit", "show", session, "--json").stdout.splitlines()]
    assert "RA1601E" in {one.get("code") for one in records}
    assert "Never give this code to somebody who called you" in world.log("agent.log")
    for held in world.folder.rglob("*"):
        if held.is_file() and held.stat().st_size < 1 << 22:
            assert parse_code(code).words.encode() not in held.read_bytes(), held


def test_a_wrong_word_uses_the_code_up_and_both_are_told_what_to_do(world: World) -> None:
    customer, code = asking(world)
    said = accepting(world, with_other_words(code), expect=3)
    assert "wrong" in said and "remote-assist ask" in said
    assert customer.wait(30) == 3
    log = world.log("agent.log")
    assert "what the technician typed was not this code" in log and "remote-assist ask" in log
    assert "tried here already" in accepting(world, code, expect=3)
    assert "used already" in accepting(world, code, expect=3, home="bob-home")
    assert not list((world.folder / "customer-home" / "sessions").iterdir())


def test_f16_of_two_technicians_who_race_for_a_code_one_gets_the_session(world: World) -> None:
    customer, code = asking(world)
    before = told(world)
    racing = {
        name: world.start(
            "remote-assist", "accept", "--ticket", world.new_ticket(), "--code", "-", "--scopes", SCOPES, "--json",
            home=f"{name}-home", log=f"{name}.log",
        )
        for name in ("alice", "bob")
    }  # fmt: skip
    for program in racing.values():
        type_code(program, code)
    session = next_line(customer, 60)
    ends = {name: program.wait(60) for name, program in racing.items()}
    assert sorted(ends.values()) == [0, 3]
    winner, loser = sorted(ends, key=lambda name: ends[name])
    assert json.loads(next_line(racing[winner])) == {"session": session}
    refused = json.loads(next_line(racing[loser]))
    assert (refused["reason"], refused["exit"]) == ("used", 3)
    assert (world.folder / f"{winner}-home" / "sessions" / session).is_dir()
    assert not (world.folder / f"{loser}-home" / "sessions" / session).exists()
    assert set(told(world)) - set(before) <= {session}
    world.command("end", session, "--note", "done", home=f"{winner}-home")
    assert customer.wait(60) == 0


def test_what_cannot_be_accepted_says_why_and_leaves_the_code_alone(world: World) -> None:
    customer, code = asking(world)
    number = code.partition("-")[0]
    ticket = world.new_ticket()
    for words, typed, expect, sentence in (
        (["accept", "--ticket", ticket, code], "", 2, "does not go on the command line"),
        (["accept", "--ticket", ticket, "--code", code], "", 2, "does not go on the command line"),
        (["accept", "--ticket", ticket], "", 2, "there is no support code"),
        (["accept", "--code", "-"], code, 2, "--ticket"),
        (["accept", "--ticket", ticket, "--code", "-"], f"{number}-tulip-rocket-ambre", 2, "did you mean 'amber'"),
        (["accept", "--ticket", "99999", "--code", "-"], code, 2, "no such ticket"),
        (["accept", "--ticket", ticket, "--code", "-", "--scopes", "root"], code, 2, "there is no scope 'root'"),
    ):
        done = world.command(*words, stdin=f"{typed}\n", expect=expect)
        assert sentence in done.stderr, done.stderr
        assert "Traceback" not in done.stderr
    session = accepting(world, code, "--plain").strip()
    world.command("end", session, "--note", "done")
    assert customer.wait(60) == 0


def test_a_number_nobody_has_is_unknown(world: World) -> None:
    assert "there is no such support code" in accepting(world, "000000-tulip-rocket-amber", expect=3)


def test_a_code_nobody_took_in_time_says_so_on_both_sides(tmp_path: Path) -> None:
    world = World(tmp_path)
    try:
        world.take_organisation()
        (tmp_path / "relay.toml").write_text("nameplate_lifetime_seconds = 2\n")
        world.serve()
        world.login()
        customer, code = asking(world)
        assert customer.wait(30) == 3
        assert "nobody took the code in time" in world.log("agent.log")
        assert "Run `remote-assist ask` again" in world.log("agent.log")
        said = accepting(world, code, expect=3)
        assert "this support code is too old" in said and "remote-assist ask" in said
    finally:
        world.close()


def test_a_code_taken_back_is_gone_and_a_signal_takes_it_back(world: World) -> None:
    customer, code = asking(world)
    customer.send_signal(signal.SIGTERM)
    assert customer.wait(30) == 3
    assert "you took the code back" in world.log("agent.log")
    assert "used already" in accepting(world, code, expect=3)


def test_a_no_is_a_no_for_both(world: World) -> None:
    customer, code = asking(world, "--accept", "fix")
    said = accepting(world, code, expect=3)
    assert "the customer said no" in said and "remote-assist ask" in said
    assert customer.wait(30) == 3


@pytest.mark.parametrize("words", [["ask"], ["ask", "--accept", "diagnose", "--plain"]])
def test_without_a_relay_or_anybody_to_ask_there_is_no_code(world: World, words: list[str]) -> None:
    if "--accept" not in words:
        assert "no terminal to ask at" in world.command(*words, home="customer-home", expect=3).stderr
        return
    done = world.command(*words, "--relay", "http://127.0.0.1:1", home="customer-home", expect=4)
    assert "cannot be reached" in done.stderr and done.stdout == ""


def test_at_a_terminal_the_code_is_large_with_its_warning_and_the_session_follows(world: World) -> None:
    with OnScreen(world, "ask", "--ca", "org/ca.pub", home="customer-home") as customer:
        customer.read_until("take the code back")
        screen = customer.seen.decode()
        assert "Never give this code to somebody who called you" in screen
        code = shown_code(screen)
        ticket = world.new_ticket("The shop is down")
        program = world.start(
            "remote-assist", "accept", "--ticket", ticket, "--code", "-", "--scopes", "diagnose", "--plain"
        )
        type_code(program, code)
        customer.read_until("Alice Example, Example Support (certificate verified)")
        customer.read_until("The shop is down")
        customer.read_until("y allow what is ticked    ")
        customer.press("y")
        session = next_line(program)
        customer.read_until("Press e (or Ctrl-C)")
        assert world.command("ls", session, "/", expect=3).stderr
        customer.press("e")
        assert customer.finished() == 0


def test_escape_takes_the_code_back_and_leaves_nothing_on_the_screen(world: World) -> None:
    with OnScreen(world, "ask", "--ca", "org/ca.pub", home="customer-home") as customer:
        customer.read_until("take the code back")
        code = shown_code(customer.seen.decode())
        customer.press("\x1b")
        assert customer.finished() == 3
        after = customer.seen.decode().rpartition("\x1b[J")[2]
        assert "you took the code back" in after
        assert not any(word in after.split() for word in parse_code(code).words.split("-"))


def test_at_first_contact_the_screen_says_who_vouches_and_asks_for_the_relays_name(world: World) -> None:
    with OnScreen(world, "ask", home="customer-home") as customer:
        customer.read_until("take the code back")
        code = shown_code(customer.seen.decode())
        ticket = world.new_ticket()
        program = world.start("remote-assist", "accept", "--ticket", ticket, "--code", "-", "--plain", log="alice.log")
        type_code(program, code)
        customer.read_until('"Alice Example" is vouched for only by the person you told the code')
        customer.press("n")
        assert customer.finished() == 3
        assert program.wait(30) == 3
        assert "the customer said no" in world.log("alice.log")


def test_a_technician_at_a_terminal_may_mistype_and_may_stop_at_any_time(world: World) -> None:
    customer, code = asking(world)
    words = ["accept", "--ticket", world.new_ticket(), "--scopes", SCOPES]
    with OnScreen(world, *words) as technician:
        technician.read_until("Code the customer reads out")
        technician.press("\x03")
        assert technician.finished() == 130
    with OnScreen(world, *words) as technician:
        technician.read_until("Code the customer reads out")
        technician.press(f"{code[:-1]}?\n")
        technician.read_until("That cost nothing.")
        technician.press(f"{code.replace('-', ' ')}\n")
        technician.read_until("the code is right; ")
        technician.read_until("session s-")
        assert technician.finished() == 0
    world.command("end", next_line(customer), "--note", "done")
    assert customer.wait(60) == 0


def test_a_technician_who_stops_while_the_customer_decides_takes_the_question_away(world: World) -> None:
    with OnScreen(world, "ask", "--ca", "org/ca.pub", home="customer-home") as customer:
        customer.read_until("take the code back")
        code = shown_code(customer.seen.decode())
        with OnScreen(world, "accept", "--ticket", world.new_ticket()) as technician:
            technician.read_until("Code the customer reads out")
            technician.press(f"{code}\n")
            technician.read_until("asks for a yes")
            customer.read_until("wants to, until")
            technician.press("\x03")
            assert technician.finished() == 130
        assert customer.finished() == 3
        assert "the technician left before you answered" in customer.seen.decode()


def test_a_self_check_leads_to_asking_and_what_was_found_is_the_first_line(world: World) -> None:
    with OnScreen(world, "self-check", "--ca", "org/ca.pub", home="customer-home") as customer:
        customer.read_until("a let a technician look", 120)
        customer.press("a\n")
        customer.read_until("take the code back")
        customer.press("\x1b")
        customer.read_until("you took the code back")
        before = len(customer.seen)
        customer.press("a\n")
        while b"take the code back" not in customer.seen[before:]:
            customer.read_more()
        ticket = world.new_ticket()
        accepting = world.start(
            "remote-assist", "accept", "--ticket", ticket, "--code", "-", "--scopes", "diagnose", "--plain"
        )
        type_code(accepting, shown_code(customer.seen[before:].decode()))
        customer.read_until("y allow what is ticked    ")
        customer.press("y")
        session = next_line(accepting)
        said = world.command("chat", session, "--history", "--json").stdout
        assert json.loads(said.splitlines()[0])["text"].startswith("My self-check found: ")
        world.command("end", session, "--note", "done")
        assert customer.finished() == 0


def type_code(program: "subprocess.Popen[str]", code: str) -> None:
    assert program.stdin is not None
    program.stdin.write(f"{code}\n")
    program.stdin.close()
    program.stdin = None


def shown_code(screen: str) -> str:
    """The code a person reads off the frame."""
    row = next(line for line in screen.splitlines() if "│" in line and any(sign.isdigit() for sign in line))
    signs = row.replace("│", " ").split()
    return "-".join(["".join(signs[:6]), *signs[6:9]])
