"""`audit verify` of what proves nothing: a key nobody vouches for, a log that was changed or cut, another's session."""

import base64
import hashlib
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from tests.scenarios.refusals import Refusal, refusal, told_as_json, typed
from tests.scenarios.world import World

pytestmark = pytest.mark.slow

VOUCH = "Name the relay's log key (--log-key KEY.pub) or the organisation's CA key (--ca CA.pub)."
OFFLINE = ("--ca", "org/ca.pub")


@dataclass
class Evidence:
    """Two sessions of Alice's, one of them ended; its export; and Bob, a colleague."""

    world: World
    live: str
    ended: str
    export: list[str]

    def written(self, lines: list[str]) -> str:
        """A file with these lines; its name."""
        (self.world.folder / "given.jsonl").write_text("\n".join(lines) + "\n")
        return "given.jsonl"


@pytest.fixture(scope="module")
def evidence(world: World) -> Iterator[Evidence]:
    world.command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "bob")
    world.command("ca", "sign", "bob.pub", "--dir", "org", "--name", "Bob Example", "--role", "technician")
    world.login("bob")
    _, live, _ = world.session()
    _, ended, _ = world.session()  # on a ticket of its own: the closing note closes it, which ends all its sessions
    world.command("run", ended, "--", "true")
    world.command("end", ended, "--note", "Freed.")
    world.command("audit", "export", ended, "-o", "export.jsonl")
    yield Evidence(world, live, ended, (world.folder / "export.jsonl").read_text().splitlines())


def test_an_export_nobody_vouches_for_is_5_and_whole_once_somebody_does(evidence: Evidence) -> None:
    name, world = evidence.written(evidence.export), evidence.world
    assert refusal(typed(world, "audit", "verify", name, home="nobody-home", expect=5)) == Refusal(
        5,
        f"record 0 of {evidence.ended}: no log key is vouched for, so nothing proves the acknowledgements",
        VOUCH,
    )
    told = typed(world, "audit", "verify", name, *OFFLINE, home="nobody-home", expect=0)
    assert told.stdout.startswith(f"{evidence.ended}  verified: ")


def test_another_log_key_proves_nothing(evidence: Evidence) -> None:
    name = evidence.written(evidence.export)
    done = typed(evidence.world, "audit", "verify", name, "--log-key", "bob.pub", home="nobody-home", expect=5)
    assert refusal(done).sentence == "checkpoint: it is of another log than the one whose key is vouched for"


def test_a_cosignature_that_somebody_took_away_is_missed_by_who_demands_it(evidence: Evidence) -> None:
    """The relay of this world cosigns (ML-DSA-44); the organisation's list in the export vouches for its key."""
    name = evidence.written(evidence.export)
    typed(evidence.world, "audit", "verify", name, *OFFLINE, "--strict", home="nobody-home", expect=0)
    trailer = json.loads(evidence.export[-1])
    *note, cosignature = trailer["checkpoint"].splitlines(keepends=True)
    assert "/ml-dsa-44 " in cosignature
    stripped = json.dumps({**trailer, "checkpoint": "".join(note)}, separators=(",", ":"), ensure_ascii=False)
    name = evidence.written([*evidence.export[:-1], stripped])
    assert "verified" in typed(evidence.world, "audit", "verify", name, *OFFLINE, home="nobody-home", expect=0).stdout
    done = typed(evidence.world, "audit", "verify", name, *OFFLINE, "--strict", home="nobody-home", expect=5)
    assert refusal(done).sentence.endswith("/ml-dsa-44 has not cosigned it")


def test_an_export_without_its_trailer_is_5_and_says_that_it_was_cut(evidence: Evidence) -> None:
    name = evidence.written(evidence.export[:-1])
    assert refusal(typed(evidence.world, "audit", "verify", name, *OFFLINE, expect=5)) == Refusal(
        5,
        "the export is cut: its last line is no trailer",
        "Export it again; what is here cannot be told from a part of it.",
    )


def _one_byte(lines: list[str]) -> list[str]:
    """The record of line 4 with one byte changed, the line written as exports are."""
    line = json.loads(lines[3])
    raw = bytearray(base64.b64decode(line["record"]))
    raw[raw.index(b'"time":"20') + len('"time":"2')] ^= 1
    changed = lines[3].replace(line["record"], base64.b64encode(bytes(raw)).decode())
    return [*lines[:3], changed, *lines[4:]]


def _one_left_out(lines: list[str]) -> list[str]:
    trailer = lines[-1].replace(f'"count":{len(lines) - 2}', f'"count":{len(lines) - 3}')
    assert trailer != lines[-1]
    return [*lines[:3], *lines[4:-1], trailer]


def _two_swapped(lines: list[str]) -> list[str]:
    return [*lines[:3], lines[4], lines[3], *lines[5:]]


def _end_left_out(lines: list[str]) -> list[str]:
    trailer = lines[-1].replace(f'"count":{len(lines) - 2}', f'"count":{len(lines) - 3}')
    kept = lines[:-2]
    digest = hashlib.sha256("".join(f"{line}\n" for line in kept).encode()).hexdigest()
    return [*kept, re.sub(r'"digest":"[0-9a-f]*"', f'"digest":"{digest}"', trailer)]


CHANGES: dict[str, tuple[Callable[[list[str]], list[str]], str]] = {
    "a byte changed": (_one_byte, "record 2 of SESSION: "),
    "a record left out": (_one_left_out, "record 2 of SESSION: "),
    "two records swapped": (_two_swapped, "record 2 of SESSION: "),
    "not written as exports are": (lambda lines: [*lines[:3], lines[3] + " ", *lines[4:]], "line 4 of the export: "),
    "counted wrongly": (lambda lines: [*lines[:3], *lines[4:]], "line LAST of the export: "),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_export_is_5_and_says_where(evidence: Evidence, change: str) -> None:
    make, place = CHANGES[change]
    lines = make(evidence.export)
    assert lines != evidence.export
    done = typed(evidence.world, "audit", "verify", evidence.written(lines), *OFFLINE, "--json", expect=5)
    told = told_as_json(done)
    assert told["error"].startswith(place.replace("SESSION", evidence.ended).replace("LAST", str(len(lines))))


def test_an_export_whose_last_record_was_left_out_is_open_or_convicted(evidence: Evidence) -> None:
    """To a stranger it is a session that is not over; Alice's own copy of the acknowledgement proves that it was."""
    name = evidence.written(_end_left_out(evidence.export))
    stranger = typed(evidence.world, "audit", "verify", name, *OFFLINE, home="nobody-home", expect=0)
    assert f"open at seq {len(evidence.export) - 4}" in stranger.stdout
    convicted = refusal(typed(evidence.world, "audit", "verify", name, *OFFLINE, expect=5))
    assert convicted.sentence.startswith(f"record {len(evidence.export) - 3} of {evidence.ended}: is missing")


def test_a_session_that_did_not_end_says_how_far_it_reaches(evidence: Evidence) -> None:
    done = typed(evidence.world, "audit", "verify", evidence.live, expect=0)
    assert f"{evidence.live}  verified: 6 records, open at seq 5, " in done.stdout


def test_a_session_nobody_had_is_2(evidence: Evidence) -> None:
    assert refusal(typed(evidence.world, "audit", "verify", "s-aaaaaaaaaaaaaaaa", expect=2)) == Refusal(
        2, "there is no such session", "`remote-assist sessions` lists them."
    )


@pytest.mark.parametrize("act", ["verify", "show", "export"])
def test_a_colleagues_session_is_refused_as_one_that_never_was(evidence: Evidence, act: str) -> None:
    words = ("-o", "never.jsonl") if act == "export" else ()
    done = typed(evidence.world, "audit", act, evidence.live, *words, home="bob-home", expect=2)
    assert refusal(done).sentence == "there is no such session"
    assert evidence.live not in done.stdout


def test_a_colleague_cannot_act_in_it_or_end_it_either(evidence: Evidence) -> None:
    for words in (("ls", evidence.live, "/"), ("end", evidence.live, "--note", "x")):
        told = refusal(typed(evidence.world, *words, home="bob-home", expect=2))
        assert told.sentence.startswith(f"session {evidence.live} was not opened from this state folder")


def test_who_is_not_logged_in_verifies_no_session(evidence: Evidence) -> None:
    assert refusal(typed(evidence.world, "audit", "verify", evidence.live, home="nobody-home", expect=3)) == Refusal(
        3, "nobody is logged in here", "Log in again: remote-assist login --key FILE"
    )
