"""T15: no path leads out of itself. Links, swapped links, pipes, devices and the agent's own folder are refused."""

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from remote_assist.agent.machine import Machine
from remote_assist.agent.requests.many_files import Reading
from remote_assist.errors import AssistError, RefusedError, UsageError
from remote_assist.transport.local_target import LocalTarget
from remote_assist.transport.posix.files import LinkRefused, PosixFiles
from remote_assist.transport.posix.new_file import open_new_file, replace_file

SECRET, PLAIN = b"outside", b"inside"
ROUNDS = 10_000


def _world(base: Path) -> tuple[Path, Path]:
    """(folder inside, folder outside), each with a file `data`."""
    inside, outside = base / "inside", base / "outside"
    for folder, content in ((inside, PLAIN), (outside, SECRET)):
        (folder / "sub").mkdir(parents=True)
        (folder / "sub" / "data").write_bytes(content)
    return inside, outside


def test_t15_a_link_anywhere_in_the_path_is_named_with_what_it_points_to(tmp_path: Path) -> None:
    inside, outside = _world(tmp_path)
    (inside / "way").symlink_to("../outside")
    (inside / "sub" / "file").symlink_to(outside / "sub" / "data")
    for path, link, points_to in (
        (inside / "way" / "sub" / "data", inside / "way", outside),
        (inside / "sub" / "file", inside / "sub" / "file", outside / "sub" / "data"),
    ):
        with pytest.raises(LinkRefused) as refused:
            PosixFiles().open_regular(os.fsencode(path))
        assert refused.value.link == os.fsencode(link)
        assert refused.value.points_to == os.fsencode(points_to)
        assert str(points_to) in refused.value.message
        assert "ask for that path" in refused.value.advice
    with pytest.raises(LinkRefused):
        PosixFiles().list_folder(os.fsencode(inside / "way"), max_entries=5)
    with pytest.raises(LinkRefused), PosixFiles().open_folder(os.fsencode(inside / "way")):
        pass
    assert PosixFiles().stat_path(os.fsencode(inside / "way")).kind == "link"


@pytest.mark.parametrize("path", [b"relative", b"/a/../etc/passwd", b"/./etc", b"/a\0b", b"/" + b"a" * 5000, b""])
def test_t15_paths_that_are_not_plain_are_refused(path: bytes) -> None:
    with pytest.raises(UsageError):
        PosixFiles().open_regular(path)


@contextmanager
def _swapping(folder: Path, other: Path, spare: Path) -> Iterator[None]:
    """Another thread that turns `folder` into a link to `other` and back, as fast as it can."""
    stop = threading.Event()
    aside = folder.with_name("aside")
    spare.symlink_to(other)

    def swap() -> None:
        while not stop.is_set():
            folder.rename(aside)
            spare.rename(folder)
            folder.rename(spare)
            aside.rename(folder)

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@pytest.mark.slow
def test_t15_reading_while_a_folder_is_swapped_for_a_link_never_leads_outside(tmp_path: Path) -> None:
    inside, outside = _world(tmp_path)
    files, path = PosixFiles(), os.fsencode(inside / "sub" / "data")
    seen = {"read": 0, "refused": 0}
    with _swapping(inside / "sub", outside / "sub", inside / "spare"):
        for _ in range(ROUNDS):
            try:
                assert files.read(path, max_bytes=100) == PLAIN
                seen["read"] += 1
            except AssistError:
                seen["refused"] += 1
    assert seen["read"] > 0
    assert seen["refused"] > 0, "the swap was never met, so nothing was tested"


@pytest.mark.full
@pytest.mark.slow
def test_t15_reading_many_files_while_their_folder_is_swapped_never_leads_outside(tmp_path: Path) -> None:
    inside, outside = _world(tmp_path)
    machine = Machine(LocalTarget(), session="s")
    seen = {"read": 0, "refused": 0}
    with _swapping(inside / "sub", outside / "sub", inside / "spare"):
        for _ in range(ROUNDS):
            # the next path lies elsewhere, so the folder is walked to anew for each
            reading = Reading(machine, [os.fsencode(inside / "sub" / "data"), b"/gone/x"], 1 << 20)
            (head, content), _absent = next(reading.groups()).files
            assert content == (b"" if head.reason else PLAIN)
            seen["refused" if head.reason else "read"] += 1
    assert seen["read"] > 0
    assert seen["refused"] > 0, "the swap was never met, so nothing was tested"


@pytest.mark.slow
def test_t15_writing_while_a_folder_is_swapped_for_a_link_never_lands_outside(tmp_path: Path) -> None:
    inside, outside = _world(tmp_path)
    files, path = PosixFiles(), os.fsencode(inside / "sub" / "new")
    seen = {"written": 0, "refused": 0}
    with _swapping(inside / "sub", outside / "sub", inside / "spare"):
        for number in range(ROUNDS // 10):
            try:
                replace_file(files, path, b"%d" % number, mode=0o600, tag=f"{number:x}")
                seen["written"] += 1
            except AssistError:
                seen["refused"] += 1
    assert sorted(one.name for one in (outside / "sub").iterdir()) == ["data"]
    assert (outside / "sub" / "data").read_bytes() == SECRET
    assert seen["written"] > 0
    assert seen["refused"] > 0, "the swap was never met, so nothing was tested"


def test_t15_what_is_no_regular_file_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(tmp_path / "sock"))
        for path in (tmp_path / "pipe", tmp_path / "sock", Path("/dev/null"), tmp_path, Path("/")):
            with pytest.raises(RefusedError, match=r"is a folder|neither a file nor a folder"):
                PosixFiles().open_regular(os.fsencode(path))


def test_t15_a_folder_in_place_of_a_file_and_the_reverse_are_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    with pytest.raises(AssistError, match="file is not a folder"):
        PosixFiles().open_regular(os.fsencode(tmp_path / "file" / "below"))


def test_t15_the_agents_own_folder_is_off_limits_by_whatever_path(tmp_path: Path) -> None:
    own = tmp_path / "state"
    (own / "deep").mkdir(parents=True)
    (own / "deep" / "key").write_bytes(b"secret")
    (tmp_path / "open").write_bytes(b"fine")
    files = PosixFiles((os.fsencode(own),))
    for attempt in (own, own / "deep", own / "deep" / "key"):
        with pytest.raises(RefusedError) as refused:
            files.stat_path(os.fsencode(attempt))
        assert refused.value.reason == "off-limits"
    with pytest.raises(RefusedError):
        files.list_folder(os.fsencode(own), max_entries=5)
    with pytest.raises(RefusedError):
        replace_file(files, os.fsencode(own / "key"), b"x", mode=0o600, tag="aa")
    with pytest.raises(RefusedError):
        files.remove_file(os.fsencode(own / "deep" / "key"))
    own.rename(tmp_path / "moved")
    (tmp_path / "state").symlink_to("moved")
    with pytest.raises(RefusedError) as refused:
        files.read(os.fsencode(tmp_path / "moved" / "deep" / "key"), max_bytes=10)
    assert refused.value.reason == "off-limits"
    assert files.read(os.fsencode(tmp_path / "open"), max_bytes=10) == b"fine"


def test_t15_an_off_limits_file_is_not_opened_through_a_second_name(tmp_path: Path) -> None:
    (tmp_path / "program").write_bytes(b"x")
    (tmp_path / "second").hardlink_to(tmp_path / "program")
    files = PosixFiles((os.fsencode(tmp_path / "program"),))
    with pytest.raises(RefusedError):
        files.open_regular(os.fsencode(tmp_path / "second"))


@pytest.mark.parametrize("name", [b"", b".", b"..", b"a/b", b"/etc/passwd", b"a\0b", b"x" * 256])
def test_t15_a_new_file_has_one_plain_name(tmp_path: Path, name: bytes) -> None:
    with pytest.raises(UsageError):
        open_new_file(PosixFiles(), os.fsencode(tmp_path), name, tag="ab")
    assert list(tmp_path.iterdir()) == []


def test_t15_a_planted_part_of_somebody_else_is_not_written_into(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(SECRET)
    part = tmp_path / ".remote-assist-ab.part"
    for plant in ("symlink_to", "hardlink_to", "fifo"):
        if plant == "fifo":
            os.mkfifo(part, 0o600)
        else:
            getattr(part, plant)(victim)
        with pytest.raises(AssistError):
            open_new_file(PosixFiles(), os.fsencode(tmp_path), b"new", tag="ab")
        part.unlink()
    assert victim.read_bytes() == SECRET


def test_t15_a_link_is_not_overwritten_nor_followed(tmp_path: Path) -> None:
    inside, outside = _world(tmp_path)
    (inside / "link").symlink_to(outside / "sub" / "data")
    with pytest.raises(LinkRefused):
        replace_file(PosixFiles(), os.fsencode(inside / "link"), b"x", mode=0o600, tag="ab")
    assert (outside / "sub" / "data").read_bytes() == SECRET
    assert sorted(one.name for one in inside.iterdir()) == ["link", "sub"]
