"""Root for one action: the calls as they cross, real sudo as root and as a person who types a password."""

import asyncio
import os
import shutil
import stat
from pathlib import Path

import pytest

from remote_assist.core.target import Command
from remote_assist.errors import AssistError, RefusedError, RemoteProtocolError
from remote_assist.transport import elevated_helper
from remote_assist.transport.elevated_calls import Answer, Call, fault_of, length_of, pack, raise_fault, unpack_call
from remote_assist.transport.elevated_target import ElevatedTarget
from remote_assist.transport.local_target import LocalTarget

WANTED = os.environ.get("REMOTE_ASSIST_REQUIRE_ALL") == "1"


def need_sudo() -> None:
    if os.geteuid() != 0:
        pytest.skip("only root may use sudo here without a password")
    if shutil.which("sudo") is None:
        (pytest.fail if WANTED else pytest.skip)("not installed: sudo")


def test_a_call_crosses_as_it_is_and_a_long_one_is_refused() -> None:
    call = Call("replace_file", path=b"/tmp/\xff", content=b"\0" * 10, mode=0o600, owner=(1, 2), seen="1:2:3")
    raw = pack(call)
    assert length_of(raw[:4]) == len(raw) - 4
    assert unpack_call(raw[4:]) == call
    with pytest.raises(RemoteProtocolError):
        length_of(b"\xff\xff\xff\xff")
    with pytest.raises(RemoteProtocolError):
        unpack_call(b"\x81\xa4nope\x01")


@pytest.mark.parametrize("error", [RefusedError("no", reason="off-limits", advice="x"), AssistError("gone")])
def test_an_error_crosses_with_its_kind(error: AssistError) -> None:
    with pytest.raises(type(error), match=error.message) as raised:
        raise_fault(fault_of(error))
    assert getattr(raised.value, "reason", "") == getattr(error, "reason", "")


async def test_the_helper_has_no_other_door(tmp_path: Path) -> None:
    target = LocalTarget([os.fsencode(tmp_path / "mine")])
    for call in (Call("start"), Call("__class__"), Call("_spawned"), Call("tls_certificate")):
        assert (await elevated_helper.answer(target, pack(call)[4:])).error == "failed"
    (tmp_path / "mine").write_text("secret")
    refused: Answer = await elevated_helper.answer(
        target, pack(Call("read", path=os.fsencode(tmp_path / "mine"), max_bytes=10))[4:]
    )
    assert (refused.error, refused.reason) == ("refused", "off-limits")


@pytest.mark.slow
async def test_sudo_carries_out_each_call_as_root(tmp_path: Path) -> None:
    need_sudo()
    target = await ElevatedTarget.start("not asked of root", [os.fsencode(tmp_path / "mine")])
    try:
        assert (await target.run(Command(("id", "-u")))).stdout == b"0\n"
        file = tmp_path / "written"
        await target.replace_file(str(file), b"content", mode=0o640, seen="")
        assert (await target.read(str(file), max_bytes=4)) == b"cont"
        assert stat.S_IMODE(file.stat().st_mode) == 0o640
        await target.move(str(file), str(tmp_path / "moved"))
        assert [Path(one.path).name for one in await target.list(str(tmp_path), max_entries=9)] == ["moved"]
        (tmp_path / "mine").write_text("the agent's own")
        with pytest.raises(RefusedError, match="off limits"):
            await target.replace_file(str(tmp_path / "mine"), b"", mode=0o600)
        with pytest.raises(AssistError):
            await target.status(str(tmp_path / "nothing"))
        await target.remove_file(str(tmp_path / "moved"))
        child = await target.spawn(Command(("sleep", "600")))
        await target.signal(child, "KILL")
    finally:
        await target.close()


@pytest.mark.slow
async def test_calls_at_the_same_time_get_their_own_answers(tmp_path: Path) -> None:
    need_sudo()
    target = await ElevatedTarget.start("x", [])
    try:
        words = [str(number) for number in range(20)]
        done = await asyncio.gather(*(target.run(Command(("echo", word))) for word in words))
        assert [one.stdout.decode().strip() for one in done] == words
    finally:
        await target.close()
