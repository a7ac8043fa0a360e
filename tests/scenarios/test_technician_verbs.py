"""The technician's verbs against a running relay and agent, as scripts use them: output, exit codes, resumption."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from remote_assist.core.signing.reviewer_keys import reviewer_key_file, reviewer_public, reviewer_public_file
from tests.scenarios.world import TakenPort, World, served_world

pytestmark = pytest.mark.slow

MIB = 1 << 20


@dataclass
class Live:
    """One session that the tests of this file share."""

    world: World
    trouble: TakenPort
    ticket: str
    session: str
    agent: subprocess.Popen[str]

    def __call__(self, *words: str, expect: int = 0, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return self.world.command(*words, expect=expect, stdin=stdin)


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    trouble = TakenPort.provoke(tmp_path_factory.mktemp("trouble") / "services")
    try:
        with served_world(tmp_path_factory.mktemp("verbs")) as world:
            yield Live(world, trouble, *world.session("--services", str(trouble.folder)))
    finally:
        trouble.close()


@pytest.mark.parametrize(
    ("program", "status"), [("exit 0", 0), ("exit 7", 7), ("kill -9 $$", 137), ("kill -TERM $$", 143)]
)
def test_the_status_of_a_program_is_passed_as_ssh_does(live: Live, program: str, status: int) -> None:
    live("run", live.session, "--", "sh", "-c", program, expect=status)


def test_output_is_passed_raw_and_apart_into_pipes(live: Live) -> None:
    program = "printf 'a\\033[31m\\n'; printf 'b\\n' >&2"
    done = live("run", live.session, "--", "sh", "-c", program)
    assert (done.stdout, done.stderr) == ("a\x1b[31m\n", "b\n")


def test_arguments_reach_the_program_untouched(live: Live) -> None:
    words = ["$HOME", "a b", "", "; id", "--json", "é", "*"]
    done = live("run", live.session, "--", "printf", "%s|", *words)
    assert done.stdout == "|".join(words) + "|"


def test_a_program_that_is_not_there_is_255_with_the_cause(live: Live) -> None:
    assert "no program" in live("run", live.session, "--", "no-such-program", expect=255).stderr
    done = live("run", live.session, "--json", "--", "no-such-program", expect=255)
    assert done.stdout == ""
    assert json.loads(done.stderr)["exit"] == 255


def test_standard_input_goes_over_only_when_asked(live: Live) -> None:
    assert live("run", live.session, "-i", "--", "cat", stdin="hello").stdout == "hello"
    assert live("run", live.session, "--", "cat", stdin="hello").stdout == ""


def test_a_reader_that_leaves_ends_the_program_quietly(live: Live) -> None:
    pipe = f"remote-assist run {live.session} -i -- cat </dev/zero | head -c 1000000 | wc -c; echo ${{PIPESTATUS[0]}}"
    shell = ["bash", "-c", pipe]
    done = subprocess.run(
        shell, env=live.world.environment("alice-home"), capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.split() == ["1000000", "255"]
    assert done.stderr == ""


def test_an_interrupted_run_takes_the_program_with_it(live: Live, tmp_path: Path) -> None:
    program = live.world.start(
        "remote-assist", "run", live.session, "--", "sh", "-c", f"echo $$ >{tmp_path}/pid; exec sleep 600"
    )
    _wait_until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text().endswith("\n"))
    program.send_signal(signal.SIGINT)
    assert program.wait(60) == 130
    _wait_until(lambda: not Path(f"/proc/{(tmp_path / 'pid').read_text().strip()}").exists())


def test_many_commands_go_over_one_connection(live: Live) -> None:
    lines = 'echo \'a b\'\n\n# nothing\n["sh", "-c", "exit 3"]\necho last\n'
    done = live("run", live.session, "--stdin", "--json", stdin=lines, expect=3)
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(one["stdout"], one["status"]) for one in found] == [("a b\n", 0), ("", 3), ("last\n", 0)]


def test_an_empty_session_is_a_usage_error_for_every_verb(live: Live) -> None:
    for words in (
        ["run", "", "--", "ls"],
        ["ls", "", "/"],
        ["findings", ""],
        ["end", "", "--note", "x"],
        ["diagnose", ""],
    ):
        assert "empty" in live(*words, expect=2).stderr


def test_a_session_of_nobody_is_a_usage_error(live: Live) -> None:
    assert "not opened from" in live("ls", "s-aaaaaaaaaaaaaaaa", "/", expect=2).stderr


def test_a_listing_names_what_is_there(live: Live, tmp_path: Path) -> None:
    (tmp_path / "plain.txt").write_text("x")
    (tmp_path / "evil\x1b[2J").write_text("x")
    shown = live("ls", live.session, str(tmp_path)).stdout
    assert "plain.txt" in shown
    assert "\x1b" not in shown
    found = [json.loads(line) for line in live("ls", live.session, str(tmp_path), "--json").stdout.splitlines()]
    assert {one["name"] for one in found} == {"plain.txt", "evil\\x1b[2J"}
    live("ls", live.session, str(tmp_path / "nowhere"), expect=1)


def test_files_come_and_go_whole(live: Live, tmp_path: Path) -> None:
    raw = os.urandom(5 * MIB + 1)
    (tmp_path / "a.bin").write_bytes(raw)
    (tmp_path / "b.bin").write_bytes(b"b")
    (tmp_path / "in").mkdir()
    got = live("get", live.session, str(tmp_path / "a.bin"), str(tmp_path / "b.bin"), str(tmp_path / "in"), "--json")
    assert [json.loads(line)["size"] for line in got.stdout.splitlines()] == [len(raw), 1]
    assert (tmp_path / "in" / "a.bin").read_bytes() == raw
    live("get", live.session, str(tmp_path / "a.bin"), str(tmp_path / "in"), expect=3)
    live("get", live.session, str(tmp_path / "a.bin"), str(tmp_path / "in"), "--force")
    (tmp_path / "up").mkdir()
    live("put", live.session, str(tmp_path / "a.bin"), str(tmp_path / "up"))
    assert (tmp_path / "up" / "a.bin").read_bytes() == raw
    live("put", live.session, str(tmp_path / "a.bin"), str(tmp_path / "up"), expect=3)
    live("put", live.session, str(tmp_path / "a.bin"), str(tmp_path / "up"), "--force")


def test_a_killed_get_goes_on_where_it_was(live: Live, tmp_path: Path) -> None:
    source, target = tmp_path / "big.bin", tmp_path / "in"
    with source.open("wb") as file:
        for _ in range(192):
            file.write(os.urandom(MIB))
    target.mkdir()
    part = target / ".big.bin.part"
    killed = live.world.start("remote-assist", "get", live.session, str(source), str(target))
    _wait_until(lambda: part.exists() and part.stat().st_size > 8 * MIB)
    killed.kill()
    killed.wait(10)
    assert not (target / "big.bin").exists()
    held = part.stat().st_size
    assert 8 * MIB < held < source.stat().st_size
    assert "were here already" in live("get", live.session, str(source), str(target)).stdout
    assert (target / "big.bin").read_bytes() == source.read_bytes()
    assert not part.exists()


def test_a_bundle_is_kept_and_its_findings_need_no_agent(live: Live) -> None:
    summary = json.loads(live("diagnose", live.session, "-o", "first.tar.zst", "--json").stdout)
    assert "ok" in summary["collectors"].values()
    assert (live.world.folder / "first.tar.zst").stat().st_size == summary["size"]
    of_session = live("findings", live.session, "--json", "--all").stdout
    assert of_session == live("findings", "first.tar.zst", "--json", "--all").stdout
    assert all(json.loads(line)["issue"] for line in of_session.splitlines())


def test_names_of_the_catalog_are_corrected(live: Live) -> None:
    assert "did you mean 'first-look'" in live("diagnose", live.session, "--bundle", "frist-look", expect=2).stderr
    wrong = live("fix", live.session, "linux.service.fre-port", "--plan", expect=2).stderr
    assert "did you mean 'linux.service.free-port'" in wrong


def test_a_fix_is_not_run_when_nobody_can_be_asked(live: Live) -> None:
    done = live("fix", live.session, "linux.service.free-port", expect=2)
    assert "nobody can be asked" in done.stderr
    assert live.trouble.holder() == "old-web"


def test_more_scopes_come_only_from_the_customer(live: Live) -> None:
    done = live("request", live.session, "forward=db.example.com:5432", "--until", "5m", expect=3)
    assert done.stdout == ""
    assert "no scope 'nonsense'" in live("request", live.session, "nonsense", expect=2).stderr


def test_sessions_and_tickets_are_listed(live: Live) -> None:
    assert live("sessions", "--plain").stdout.split() == [live.session]
    [session] = [json.loads(line) for line in live("sessions", "--json").stdout.splitlines()]
    assert (session["id"], session["ticket"], session["state"]) == (live.session, live.ticket, "live")
    assert live.ticket in live("tickets", "list", "--plain").stdout.split()
    assert json.loads(live("tickets", "show", live.ticket, "--json").stdout)["state"] == "active"
    live("tickets", "show", "4242", expect=2)
    assert set(json.loads(live("tickets", "new", "--subject", "x", "--json").stdout)) == {"id"}


def test_time_spent_is_noted_on_a_ticket(live: Live) -> None:
    ticket = live("tickets", "new", "--subject", "time", "--plain").stdout.strip()
    said = json.loads(live("tickets", "time", ticket, "15m", "--note", "Called.", "--json").stdout)
    assert said == {"ticket": ticket, "minutes": 15, "booked": False}
    assert live("tickets", "time", ticket, "65", "--note", "Again.", "--plain").stdout == "65\n"
    assert "Time spent: 1 h 5 min" in live("tickets", "show", ticket).stdout
    refused = live("tickets", "time", ticket, "soon", "--note", "x", expect=2).stderr
    assert "'soon' is not a time spent" in refused and "Write 15m or 2h." in refused
    assert "1 minute to 24 hours" in live("tickets", "time", ticket, "0", "--note", "x", expect=2).stderr
    live("tickets", "time", "4242", "5m", "--note", "x", expect=2)


def test_every_acknowledgement_shown_is_kept(live: Live) -> None:
    acks = live.world.folder / "alice-home" / "sessions" / live.session / "acks.jsonl"
    before = len(acks.read_bytes().splitlines())
    live("run", live.session, "--", "true")
    after = acks.read_bytes().splitlines()
    assert len(after) > before
    assert json.loads(after[-1])["session"] == live.session


def test_with_the_relay_down_end_says_what_is_undelivered_and_can_be_repeated(tmp_path: Path) -> None:
    with served_world(tmp_path) as world:
        ticket, session, agent = world.session()
        relay = world.programs[0]
        relay.terminate()
        relay.wait(10)
        down = world.command("end", session, "--note", "Freed.", expect=4)
        assert "undelivered" in down.stderr
        assert "closing note" in down.stderr
        world.command("run", session, "--", "true", expect=255)
        world.serve()
        world.command("end", session, "--note", "Freed.")
        world.command("end", session, "--note", "Freed.")
        assert agent.wait(15) == 0
        notes = json.loads(world.command("tickets", "show", ticket, "--json").stdout)["notes"]
        assert [note["text"] for note in notes].count("Freed.") == 1
        assert "has ended" in world.command("run", session, "--", "true", expect=255).stderr
        secrets = {path.name for path in (tmp_path / "alice-home" / "sessions" / session).iterdir()}
        assert not secrets & {"session_key", "resume"}


def _wait_until(condition: object, seconds: float = 20) -> None:
    assert callable(condition)
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_a_bundle_is_estimated_limited_in_time_and_sealed_on_the_customers_machine(live: Live) -> None:
    secret = bytes(range(1, 33))
    folder = live.world.folder
    (folder / "bundle-key").write_bytes(reviewer_key_file(secret))
    (folder / "bundle-key.pub").write_bytes(reviewer_public_file(reviewer_public(secret)))
    guess = json.loads(live("diagnose", live.session, "--bundle", "full", "--estimate", "--json").stdout)
    assert guess["items"] > 50
    assert guess["at_most_seconds"] >= guess["seconds"] > 0
    words = ["diagnose", live.session, "-o", "sealed.bundle", "--since", "2h", "--seal-to"]
    live(*words, "bundle-key", expect=2)
    live(*words, "bundle-key.pub")
    assert (folder / "sealed.bundle").read_bytes().startswith(b"remote-assist sealed 1\n")
    assert "--key" in live("findings", "sealed.bundle", expect=2).stderr
    assert "issue" in live("findings", "sealed.bundle", "--key", "bundle-key", "--json", "--all").stdout
    live("diagnose", live.session, "-o", "open.bundle")
    assert json.loads(live("diagnose", live.session, "--estimate", "--json").stdout)["seen"] > 20
    changed = live("diff", "sealed.bundle", "open.bundle", "--key", "bundle-key", "--json")
    assert all(json.loads(line)["change"] for line in changed.stdout.splitlines())


def _folder_to_fetch(at: Path) -> Path:
    """Files of every kind, in folders."""
    source = at / "etc"
    (source / "deep" / "er").mkdir(parents=True)
    (source / "empty").mkdir()
    for number in range(1200):
        (source / "deep" / f"{number}.conf").write_bytes(os.urandom(number))
    (source / "deep" / "er" / "large.bin").write_bytes(os.urandom(2 * MIB))
    (source / "no bytes").touch()
    os.utime(source / "no bytes", (1_000_000_000.25, 1_000_000_000.25))
    return source


def test_a_folder_comes_whole_and_what_is_here_is_not_fetched_again(live: Live, tmp_path: Path) -> None:
    source, target = _folder_to_fetch(tmp_path), tmp_path / "in"
    target.mkdir()
    (source / "link").symlink_to("/etc/hostname")
    os.mkfifo(source / "pipe")
    first = live("get", "-r", live.session, str(source), str(target))
    assert "1,202 files" in first.stdout
    assert "2 left out (link, not-a-file)" in first.stdout
    assert f"left out: {source}/link: a link; links are not followed" in first.stderr
    (source / "link").unlink()
    (source / "pipe").unlink()
    assert subprocess.run(["diff", "-r", source, target / "etc"], check=False).returncode == 0
    assert (target / "etc" / "no bytes").stat().st_mtime == 1_000_000_000.25
    (target / "etc" / "deep" / "7.conf").unlink()
    (source / "deep" / "8.conf").write_bytes(b"another content")
    again = live("get", "-r", live.session, str(source), str(target), "--json", expect=1)
    *found, summary = [json.loads(line) for line in again.stdout.splitlines()]
    assert [one["path"] for one in found if "sha256" in one] == [f"{source}/deep/7.conf"]
    assert [one["left_out"] for one in found if "left_out" in one] == ["exists"]
    assert (summary["files"], summary["here_already"], summary["left_out"]) == (1, 1200, 1)
    live("get", "-r", live.session, str(source), str(target), "--force")
    assert (target / "etc" / "deep" / "8.conf").read_bytes() == b"another content"


def test_a_folder_is_not_fetched_through_a_link_here_nor_beyond_its_limits(live: Live, tmp_path: Path) -> None:
    source, target = tmp_path / "from", tmp_path / "in"
    (source / "below").mkdir(parents=True)
    (source / "below" / "a").write_bytes(b"a")
    (target / "from").mkdir(parents=True)
    (target / "from" / "below").symlink_to(tmp_path)
    words = ("get", "-r", live.session, str(source))
    assert "is no folder" in live(*words, str(target), expect=3).stderr
    assert not (tmp_path / "a").exists()
    assert "--max-files" in live(*words, str(target), "--max-files", "1", expect=3).stderr


@pytest.mark.full
def test_a_killed_get_of_a_folder_goes_on_where_it_was(live: Live, tmp_path: Path) -> None:
    source, target = tmp_path / "many", tmp_path / "in"
    source.mkdir()
    target.mkdir()
    for number in range(5000):
        (source / f"{number:04}").write_bytes(os.urandom(2000))
    killed = live.world.start("remote-assist", "get", "-r", live.session, str(source), str(target))
    _wait_until(lambda: (target / "many" / "0100").exists())
    killed.kill()
    killed.wait(10)
    came = sum(1 for one in (target / "many").iterdir() if not one.name.startswith("."))
    done = live("get", "-r", live.session, str(source), str(target), "--json")
    summary = json.loads(done.stdout.splitlines()[-1])
    assert summary["files"] + summary["here_already"] == 5000
    assert summary["here_already"] == came
    assert sorted(one.name for one in (target / "many").iterdir()) == sorted(one.name for one in source.iterdir())
