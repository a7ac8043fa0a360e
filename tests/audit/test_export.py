"""The jsonl export: what left the relay still verifies, and a cut or changed file says so."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from remote_assist.audit.export import ExportWriter, Header, RecordLine, check_disclosures, read_export
from remote_assist.audit.verify import verify_session
from remote_assist.core.log.opening import log_keys_of
from remote_assist.core.log.sealing import Disclosure, disclose
from remote_assist.core.records import decode_record
from remote_assist.errors import VerificationError
from tests.audit.world import CA_LINE, RELAY, START, World, new_world, play, signed_lists


@pytest.fixture
async def world(tmp_path: Path) -> World:
    made = new_world(tmp_path / "journal")
    await play(made)
    return made


@pytest.fixture
def lines(world: World) -> list[bytes]:
    writer = ExportWriter()
    first = writer.header(origin=RELAY, lists=signed_lists(), now=START)
    return [first, *(writer.record(one) for one in world.logged()), writer.trailer()]


def verify(lines: list[bytes]) -> list[str]:
    """Sessions that hold; as the reviewer's command does it, with nothing but the CA's key."""
    log_keys: tuple[str, ...] = ()
    held = []
    for part in read_export(lines):
        if isinstance(part, Header):
            log_keys = log_keys_of(part.lists, CA_LINE)
        else:
            held.append(verify_session(part, log_keys=log_keys, ca_line=CA_LINE).session)
    return held


def fault(lines: list[bytes]) -> str:
    with pytest.raises(VerificationError) as caught:
        verify(lines)
    return caught.value.message


def test_an_export_verifies_with_the_ca_key_alone(lines: list[bytes], world: World) -> None:
    assert verify(lines) == [world.session]


def test_an_export_without_trailer_is_cut(lines: list[bytes]) -> None:
    for length in range(1, len(lines)):
        assert "no trailer" in fault(lines[:length])
    assert "no trailer" in fault([])


def test_the_last_line_cut_short_is_found(lines: list[bytes]) -> None:
    for cut in (1, 5, len(lines[-1]) - 1):
        assert "line 12 of the export" in fault([*lines[:-1], lines[-1][:-cut]])


def test_a_line_too_few_is_counted(lines: list[bytes]) -> None:
    assert "10 records were exported, 9 are here" in fault([*lines[:5], *lines[6:]])


async def test_an_export_of_many_sessions_keeps_them_apart(tmp_path: Path, world: World) -> None:
    other = new_world(tmp_path / "other", name="two")
    await play(other)
    writer = ExportWriter()
    header = writer.header(origin=RELAY, lists=signed_lists(), now=START)
    ours, theirs = ([writer.record(one) for one in each.logged()] for each in (world, other))
    lines = [header, *ours, *theirs, writer.trailer()]
    assert verify(lines) == [world.session, other.session]
    torn = [header, *ours[:5], *theirs, *ours[5:], lines[-1]]
    with pytest.raises(VerificationError, match="in two places"):
        list(read_export(torn))


@pytest.mark.parametrize("order", ["header last", "trailer first", "two headers", "after the trailer"])
def test_lines_out_of_place_are_refused(lines: list[bytes], order: str) -> None:
    wrong = {
        "header last": [*lines[1:], lines[0]],
        "trailer first": [lines[-1], *lines[:-1]],
        "two headers": [lines[0], *lines],
        "after the trailer": [*lines, lines[1]],
    }[order]
    assert "no such line may stand" in fault(wrong)


@pytest.mark.slow
def test_every_changed_byte_of_every_line_is_found(lines: list[bytes], world: World) -> None:
    """Bytes of the header's own words (origin, when) are the exporter's claim; all else is proof."""
    true = list(parts(lines))
    for number, line in enumerate(lines):
        for position in range(0, len(line) - 1, 1 if number else 5):
            changed = line[:position] + bytes([line[position] ^ 1]) + line[position + 1 :]
            assert differs([*lines[:number], changed, *lines[number + 1 :]], true), (number, position)


def parts(lines: list[bytes]) -> Iterator[object]:
    yield from read_export(lines)


def differs(lines: list[bytes], true: list[object]) -> bool:
    """Refused, or other evidence than was exported: then test_verify's sweeps say that it is found."""
    try:
        return list(parts(lines)) != true
    except VerificationError:
        return True


def sealed_record(world: World) -> tuple[int, dict[str, Disclosure]]:
    record = decode_record(world.logged()[4].record)
    field = record.sealed["arguments"]
    return record.seq, {"arguments": disclose(world.content_key, field, session=world.session, name="arguments")}


def test_what_a_reviewer_disclosed_is_proved_by_the_commitment(world: World) -> None:
    seq, disclosed = sealed_record(world)
    writer = ExportWriter()
    lines = [
        writer.header(origin=RELAY, lists=(), now=START),
        *(writer.record(one, disclosed if n == seq else {}) for n, one in enumerate(world.logged())),
        writer.trailer(),
    ]
    (_, group) = read_export(lines)
    assert isinstance(group, list)
    assert check_disclosures(group[seq]) == {"arguments": b'["ls","-l","/root"]'}
    lie = replace(group[seq], disclosed={"arguments": replace(disclosed["arguments"], value=b'["id"]')})
    with pytest.raises(VerificationError, match="not what its commitment says"):
        check_disclosures(lie)
    with pytest.raises(VerificationError, match="no such sealed field"):
        check_disclosures(replace(group[seq], disclosed={"other": disclosed["arguments"]}))


def test_time_and_index_are_the_acknowledgements(world: World, lines: list[bytes]) -> None:
    (_, group) = read_export(lines)
    assert isinstance(group, list) and isinstance(group[0], RecordLine)
    assert (group[3].index, group[3].time) == (44, group[3].acknowledgement.time)
    wrong = lines[4].replace(b'"index":44,"kind"', b'"index":45,"kind"')
    assert wrong != lines[4]
    assert "not its acknowledgement's" in fault([*lines[:4], wrong, *lines[5:]])


def test_a_line_is_one_line_whatever_a_record_holds(world: World) -> None:
    assert all(ExportWriter().record(one).count(b"\n") == 1 for one in world.logged())
