"""Incident T4: words of a command reach the program as they are, and no shell is ever started to carry them there."""

import asyncio
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as some

from remote_assist.core.requests import Accepted, Refused, Run
from remote_assist.core.target import Command
from remote_assist.diagnostics.catalog_loader import load_catalog
from remote_assist.diagnostics.fixes import apply_plan, plan_fix
from remote_assist.errors import RefusedError, UsageError
from remote_assist.transport.local_target import LocalTarget
from tests.agent.world import AgentWorld, LiveSession, agent_world
from tests.diagnostics.conftest import Journal, now
from tests.diagnostics.real_target import RealTarget
from tests.scenarios.world import World, served_world

AS_HEX = (
    "import json, sys; told = lambda words: json.dumps([w.encode('utf-8', 'surrogateescape').hex() for w in words])"
)
SHOW = f"{AS_HEX}; sys.stdout.write(told(sys.argv[1:]))"
KEEP = f"{AS_HEX}; open(sys.argv[1], 'w').write(told(sys.argv[2:]))"
PROGRAM = (sys.executable, "-I", "-S", "-c", SHOW)
"""A program that shows its arguments, byte by byte."""

SIGNS = ";$(){}|&<>\n\r\t -=\\'\"`*?~!#%^[]/.@,:0aZ\u00e9\u202e\x1b\x7f"
PIECES = [
    "--",
    "-rf",
    "--help",
    "$(touch pwned)",
    "`touch pwned`",
    "; touch pwned",
    "| sh",
    "> pwned",
    "${IFS}",
    "\n",
    "'",
    '"',
]
WORD = some.one_of(
    some.text(alphabet=SIGNS, max_size=40),
    some.lists(some.sampled_from(PIECES), max_size=4).map("".join),
    some.text(some.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40),
)
WORDS = some.lists(WORD, max_size=12)
ALL_AT_ONCE = ["", "--", "-c", *PIECES, SIGNS, "", "--json", "-i"]


@dataclass
class Started:
    """Programs that this process started while it was watched: what was executed, with which words."""

    programs: list[tuple[str, list[str]]] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    watching: bool = False

    def hook(self, event: str, words: tuple[Any, ...]) -> None:
        if not self.watching:
            return
        if event == "subprocess.Popen":
            self.programs.append((str(words[0]), [str(word) for word in words[1]]))
        elif event in {"os.system", "os.posix_spawn", "os.exec", "os.spawn", "os.startfile", "pty.spawn", "os.popen"}:
            self.others.append(event)

    @contextmanager
    def watch(self) -> Iterator["Started"]:
        self.programs.clear()
        self.others.clear()
        self.watching = True
        try:
            yield self
        finally:
            self.watching = False

    def check(self, *argvs: list[str]) -> None:
        """Exactly these programs were started, each by its own name and with its own words."""
        assert self.others == []
        assert self.programs == [(argv[0], argv) for argv in argvs]


@pytest.fixture(scope="module")
def started() -> Started:
    """An audit hook cannot be taken away again; it sleeps when nobody watches.

    The guard of programs, constant text that is started with the first of them, is there by then.
    """
    asyncio.run(LocalTarget().run(Command((sys.executable, "-c", "pass"))))
    found = Started()
    sys.addaudithook(found.hook)
    return found


def shown(raw: bytes) -> list[str]:
    return [bytes.fromhex(word).decode("utf-8", "surrogateescape") for word in json.loads(raw)]


def test_the_watch_sees_a_shell(started: Started) -> None:
    """The hook is worth something: what it is to find, it finds."""

    async def run_a_shell() -> None:
        child = await asyncio.create_subprocess_shell("exit 0")
        await child.wait()

    with started.watch():
        asyncio.run(run_a_shell())
    with pytest.raises(AssertionError):
        started.check(["exit", "0"])


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(words=WORDS)
@example(words=ALL_AT_ONCE)
def test_t4_a_target_starts_programs_with_their_words_verbatim(
    started: Started, tmp_path: Path, words: list[str]
) -> None:
    argv = [*PROGRAM, *words]
    with started.watch():
        done = asyncio.run(LocalTarget().run(Command(tuple(argv), folder=str(tmp_path))))
    started.check(argv)
    assert shown(done.stdout) == words
    assert list(tmp_path.iterdir()) == []


@dataclass
class Bridge:
    """A whole session held open on a loop of its own, for a test that is no coroutine."""

    runner: asyncio.Runner
    live: LiveSession

    def run(self, *argv: str) -> bytes:
        answers = self.runner.run(self.live.ask(Run(argv=argv)))
        assert isinstance(answers.messages[0], Accepted), answers.messages
        assert (answers.done.status, answers.done.exit) == ("done", 0)
        return answers.data

    def refused(self, *argv: str) -> Refused:
        return self.runner.run(self.live.ask(Run(argv=argv))).refused


@pytest.fixture(scope="module")
def bridge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bridge]:
    with asyncio.Runner() as runner:
        worlds = agent_world(tmp_path_factory.mktemp("argv"))
        world: AgentWorld = runner.run(worlds.__aenter__())
        sessions = world.session()
        yield Bridge(runner, runner.run(sessions.__aenter__()))
        runner.run(sessions.__aexit__(None, None, None))
        runner.run(worlds.__aexit__(None, None, None))


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(words=WORDS)
@example(words=ALL_AT_ONCE)
def test_t4_words_cross_a_session_verbatim(started: Started, bridge: Bridge, words: list[str]) -> None:
    with started.watch():
        raw = bridge.run(*PROGRAM, *words)
    started.check([*PROGRAM, *words])
    assert shown(raw) == words


@pytest.mark.parametrize("argv", [("true", "a\0b"), ("tr\0ue",)])
def test_t4_a_zero_byte_is_refused_with_a_sentence_and_starts_nothing(
    started: Started, bridge: Bridge, argv: tuple[str, ...]
) -> None:
    with started.watch():
        refused = bridge.refused(*argv)
    started.check()
    assert (refused.reason, refused.sentence) == (
        "usage",
        "a command has 1 to 1024 words, none with a zero byte",
    )
    with pytest.raises(UsageError, match="zero byte"):
        asyncio.run(LocalTarget().run(Command(argv)))


@pytest.mark.slow
def test_t4_words_cross_both_programs_and_all_options_verbatim(tmp_path: Path) -> None:
    with served_world(tmp_path) as world:
        _, session, _ = world.session()
        before = {path.name for path in tmp_path.iterdir()}
        done = world.command("run", session, "--", *PROGRAM, *ALL_AT_ONCE)
        assert shown(done.stdout.encode()) == ALL_AT_ONCE
        lines = [json.dumps([*PROGRAM, *words]) for words in (ALL_AT_ONCE, ["$(touch pwned)"])]
        done = world.command("run", "--stdin", session, stdin="\n".join(lines) + "\n")
        assert shown(done.stdout.partition("][")[0].rstrip("]").encode() + b"]") == ALL_AT_ONCE
        _check_zero_byte(world, session)
        assert {path.name for path in tmp_path.iterdir()} == before


def _check_zero_byte(world: World, session: str) -> None:
    done = world.command("run", "--stdin", session, stdin='["touch", "a\\u0000b"]\n', expect=2)
    assert done.stderr == "remote-assist: a word of the command is not text\n  Arguments are UTF-8 without NUL.\n"


FIX = """
kind: Fix
metadata: {{id: own.show, version: 1, title: Show}}
parameters: {{text: {{type: string, pattern: '(?s).{{1,400}}'}}}}
consent: {{text: Show.}}
risk: {{impact: none, reversible: full}}
steps:
  - name: write down what arrived
    command: {{argv: ['{python}', '-I', '-S', '-c', "{program}", '{out}', '{{params.text}}', 'x={{params.text}}']}}
    check: skip
    undo: none
verify: [{{when: 'true'}}]
"""


@pytest.fixture(scope="module")
def show(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], list[str]]:
    """Plans and applies a fix whose parameter may be almost anything; answers the words its program got."""
    folder = tmp_path_factory.mktemp("fix")
    out = folder / "out"
    (folder / "show.yaml").write_text(FIX.format(python=sys.executable, program=KEEP, out=out))
    catalog, target = load_catalog([folder]), RealTarget()

    async def apply(value: str) -> list[str]:
        prepared = await plan_fix(catalog, "own.show", {"text": value}, target, elevated=False, clock=now)
        result = await apply_plan(prepared, target, progress=lambda _: None, undo=Journal(target))
        assert result.status == "resolved"
        return shown(out.read_bytes())

    return lambda value: asyncio.run(apply(value))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=WORD)
@example(value="; touch pwned $(touch pwned) `touch pwned` | sh > pwned & 'x' \"y\" {params.text} ${HOME}")
def test_t4_a_parameter_is_refused_or_arrives_as_one_word(
    started: Started, show: Callable[[str], list[str]], value: str
) -> None:
    with started.watch():
        try:
            arrived = show(value)
        except RefusedError as refused:
            assert refused.reason == "parameter"
            assert started.programs == []
            return
    assert arrived == [value, f"x={value}"]
    assert started.others == []
    assert {program for program, _ in started.programs} == {sys.executable}
    assert not value.startswith("-")


@pytest.mark.parametrize(
    "value", ["; touch pwned", "$(touch pwned)", "a | sh > b & c", "'x' \"y\"", "${HOME}", "x --y"]
)
def test_t4_what_only_a_shell_would_mind_is_taken_as_it_is(show: Callable[[str], list[str]], value: str) -> None:
    assert show(value) == [value, f"x={value}"]
