"""Pictures of the screen where there is none, and where it is Wayland's: a real sway without a monitor."""

import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from remote_assist.errors import RefusedError
from remote_assist.transport.screen import take_picture
from tests.scenarios.stock import need

OUTPUT = "output HEADLESS-1 resolution 320x200 background #c02040 solid_color\nxwayland disable\n"


@pytest.fixture
def wayland() -> Iterator[dict[str, str]]:
    """What a program's environment says of a display of sway; as nobody where we are root, which sway refuses."""
    need("sway", "grim", "runuser")
    with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="wayland-") as name:  # nobody reaches no folder of root's
        folder = Path(name)
        (folder / "config").write_text(OUTPUT)
        backend = {"WLR_BACKENDS": "headless", "WLR_LIBINPUT_NO_DEVICES": "1", "WLR_RENDERER": "pixman"}
        own = {key: value for key, value in os.environ.items() if key not in {"DISPLAY", "WAYLAND_DISPLAY"}}
        environment = {**own, **backend, "XDG_RUNTIME_DIR": name, "HOME": name}
        argv = ["sway", "-c", str(folder / "config")]
        if os.getuid() == 0:
            subprocess.run(["chown", "-R", "nobody", name], check=True)
            argv = ["runuser", "-u", "nobody", "--", *argv]
        server = subprocess.Popen(argv, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            end = time.monotonic() + 30
            while not (folder / "wayland-1").exists():
                assert server.poll() is None and time.monotonic() < end
                time.sleep(0.05)
            yield {"XDG_RUNTIME_DIR": name, "WAYLAND_DISPLAY": "wayland-1"}
        finally:
            server.terminate()
            server.wait(30)


@pytest.mark.slow
def test_sway_shows_its_screen_by_grim(wayland: dict[str, str]) -> None:
    end = time.monotonic() + 20
    while (picture := take_picture(wayland)).at(7, 7) != (0xC0, 0x20, 0x40):  # until sway has drawn its background
        assert time.monotonic() < end, picture.at(7, 7)
        time.sleep(0.1)
    assert (picture.width, picture.height) == (320, 200)


def test_a_desktop_that_shows_nothing_and_no_desktop_at_all_say_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nothing = {"WAYLAND_DISPLAY": "wayland-9", "XDG_RUNTIME_DIR": str(tmp_path)}
    for environment in (nothing, {"XDG_SESSION_TYPE": "wayland"}):
        with pytest.raises(RefusedError, match="on Wayland and does not show") as refused:
            take_picture(environment)
        assert refused.value.reason == "no-screen"
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RefusedError, match="on Wayland and does not show"):
        take_picture(nothing)
    with pytest.raises(RefusedError, match="where no screen is"):
        take_picture({})
