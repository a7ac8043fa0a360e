"""One picture of this computer's screen, by mss; under Wayland by `grim`, where it is installed. Blocks.

Linux under X11 and sway are tested; Windows and macOS are mss's word. Desktops that show a program their screen only
through a portal (GNOME, KDE) are refused: that is not built.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping

from remote_assist.core.picture.png import MAX_POINTS, Picture, decode_ppm
from remote_assist.errors import ContentError, RefusedError

NO_SCREEN = "no-screen"
GRIM = "grim"
GRIM_SECONDS = 20.0


def take_picture(environment: Mapping[str, str] = os.environ) -> Picture:
    """All monitors together, as they are shown now. Raises RefusedError (`no-screen`) where none can be seen."""
    if sys.platform.startswith("linux"):
        if _is_wayland(environment):
            return _by_grim(environment)
        _check_x11(environment)
    try:
        import mss
        from mss.exception import ScreenShotError
    except ModuleNotFoundError as error:
        raise RefusedError(
            "this agent cannot take pictures of its screen",
            reason=NO_SCREEN,
            advice="The customer installs it with: pip install 'remote-assist[screen]'",
        ) from error
    try:
        display = environment.get("DISPLAY")
        with mss.MSS(display=display) if display else mss.MSS() as screen:
            shot = screen.grab(screen.monitors[0])
            if shot.width * shot.height > MAX_POINTS:
                raise RefusedError("the screens together are too large for a picture", reason=NO_SCREEN)
            return Picture(shot.width, shot.height, bytes(shot.rgb))
    except (ScreenShotError, OSError) as error:
        raise RefusedError(f"the screen cannot be seen by this program: {error}", reason=NO_SCREEN) from error


def _is_wayland(environment: Mapping[str, str]) -> bool:
    return environment.get("XDG_SESSION_TYPE") == "wayland" or bool(environment.get("WAYLAND_DISPLAY"))


def _by_grim(environment: Mapping[str, str]) -> Picture:
    """All outputs together, by a compositor that shows them to grim (sway and its kin)."""
    grim = shutil.which(GRIM)
    if grim is None:
        raise _unseen()
    own = {name: environment[name] for name in ("WAYLAND_DISPLAY", "XDG_RUNTIME_DIR") if name in environment}
    program = subprocess.Popen(
        [grim, "-t", "ppm", "-"],
        env=own,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    try:
        raw, _ = program.communicate(timeout=GRIM_SECONDS)
    except subprocess.TimeoutExpired as error:
        raise _unseen() from error
    finally:
        program.kill()
        program.wait()
    try:
        picture = decode_ppm(raw)
    except ContentError as error:  # a desktop that has a portal only: grim says so and ends
        raise _unseen() from error
    if picture.width * picture.height > MAX_POINTS:
        raise RefusedError("the screens together are too large for a picture", reason=NO_SCREEN)
    return picture


def _unseen() -> RefusedError:
    return RefusedError(
        "this desktop runs on Wayland and does not show this program its screen",
        reason=NO_SCREEN,
        advice="For sway and its kin: install grim. Elsewhere the customer takes a picture; fetch it with `get`.",
    )


def _check_x11(environment: Mapping[str, str]) -> None:
    if not environment.get("DISPLAY"):
        raise RefusedError(
            "the agent was started where no screen is",
            reason=NO_SCREEN,
            advice="The customer starts it in a terminal of their desktop.",
        )
