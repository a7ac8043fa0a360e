"""Programs of another release, made of today's: what they did not know, or will say, is changed before they start.

Each shim is the text of a program; `start` runs it as a process of its own.
"""

import subprocess
import sys
from pathlib import Path

from tests.scenarios.world import World

AGENT_OR_TECHNICIAN, RELAY = "remote_assist.cli", "relay.__main__"
PATIENCE_SECONDS = 60

_MAIN = """
from {module} import main
sys.exit(main())
"""

OTHER_VERSION = (
    """
import sys
from remote_assist.core import messages
messages.PROTOCOL_VERSION = 0
from remote_assist.core import spoken
spoken.HEADER = "Not-Said-Yet"
"""
    + _MAIN
)
"""A program of version 0 from before programs said what they speak."""

SAYS_ANOTHER_VERSION = OTHER_VERSION.replace('spoken.HEADER = "Not-Said-Yet"\n', "")
"""One of version 0 that says so."""

OLDER = (
    """
import sys, typing
from remote_assist.core import codec, messages, requests, spoken
newer = frozenset(spoken.SINCE)
for module, names in ((messages, ("ToAgent", "FromAgent")), (requests, ("Request", "FromTechnician"))):
    for name in names:
        known = [kind for kind in typing.get_args(getattr(module, name)) if kind not in newer]
        setattr(module, name, typing.Union[tuple(known)])
spoken.HEADER, spoken.GREETING = "Not-Said-Yet", "of-before"
spoken.OWN = spoken.Spoken(messages.PROTOCOL_VERSION, 0)
spoken.spoken_by = lambda told: spoken.OWN
encode = codec.encode
def encode_what_was_known(message, **limits):
    if type(message) in newer:
        raise SystemExit(f"a program of minor 0 says {{type(message).__name__}}")
    return encode(message, **limits)
codec.encode = encode_what_was_known
"""
    + _MAIN
)
"""A program of minor 0: says nothing of what it speaks, refuses the words that came later, and says none of them."""

NEWER = (
    """
import json, sys
from remote_assist.core import codec, spoken
spoken.OWN = spoken.Spoken(spoken.OWN.version, spoken.OWN.minor + 1)
spoken.GREETING = f"protocol-{{spoken.OWN}}"
encode = codec.encode
def encode_with_a_field_more(message, **limits):
    raw = encode(message, **limits)
    if type(message).__name__ in {talkative!r}:
        return json.dumps(json.loads(raw) | {{"tomorrow": 1}}).encode()
    return raw
codec.encode = encode_with_a_field_more
"""
    + _MAIN
)
"""A program of the next minor that is not careful: some of its words have a field nobody knows yet."""


def start(
    world: World,
    shim: str,
    *words: str,
    home: str,
    said: str = "",
    module: str = AGENT_OR_TECHNICIAN,
    talkative: str = "",
) -> "subprocess.Popen[str]":
    """Run it; everything it prints comes by its pipe, or goes into a log for a relay, which prints for ever."""
    errors = (world.folder / "other-relay.log").open("a") if module == RELAY else subprocess.STDOUT
    program = subprocess.Popen(
        [sys.executable, "-c", shim.format(module=module, talkative=talkative)[1:], *words],
        cwd=world.folder,
        env=world.environment(home),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=errors,
        text=True,
    )
    world.programs.append(program)
    if said:
        assert program.stdin is not None
        program.stdin.write(said)
        program.stdin.close()
        program.stdin = None
    return program


def ended(program: "subprocess.Popen[str]") -> tuple[int, str]:
    """Its exit status and what it printed."""
    out, _ = program.communicate(timeout=PATIENCE_SECONDS)
    return program.returncode, out


def serve(world: World, shim: str, **more: str) -> "subprocess.Popen[str]":
    """A relay of another release at the world's address."""
    words = ["serve", "--data", "relay-data", "--listen", f"127.0.0.1:{world.port}"]
    if (world.folder / "relay.toml").exists():
        words += ["--config", "relay.toml"]
    relay = start(world, shim, *words, home="operator-home", module=RELAY, **more)
    world.command("remote-assist-relay", "check", "--wait", "30", "--data", "relay-data")
    return relay


def made(folder: Path, count: int = 2) -> Path:
    """A folder with a few files."""
    folder.mkdir()
    for number in range(count):
        (folder / f"{number}.txt").write_text(f"line {number}\n")
    return folder
