"""One picture of this computer's screen, by mss. Blocks.

Linux under X11 is tested; Windows and macOS are mss's word. Wayland shows a program its screen only through the
desktop's portal, which is not built: there it is refused.
"""

import os
import sys
from collections.abc import Mapping

from remote_assist.core.picture import MAX_POINTS, Picture
from remote_assist.errors import RefusedError

NO_SCREEN = "no-screen"


def take_picture(environment: Mapping[str, str] = os.environ) -> Picture:
    """All monitors together, as they are shown now. Raises RefusedError (`no-screen`) where none can be seen."""
    if sys.platform.startswith("linux"):
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
        with mss.mss(**({"display": environment["DISPLAY"]} if environment.get("DISPLAY") else {})) as screen:
            shot = screen.grab(screen.monitors[0])
            if shot.width * shot.height > MAX_POINTS:
                raise RefusedError("the screens together are too large for a picture", reason=NO_SCREEN)
            return Picture(shot.width, shot.height, bytes(shot.rgb))
    except (ScreenShotError, OSError) as error:
        raise RefusedError(f"the screen cannot be seen by this program: {error}", reason=NO_SCREEN) from error


def _check_x11(environment: Mapping[str, str]) -> None:
    if environment.get("XDG_SESSION_TYPE") == "wayland" or environment.get("WAYLAND_DISPLAY"):
        raise RefusedError(
            "this desktop runs on Wayland, where this program cannot see the screen",
            reason=NO_SCREEN,
            advice="The customer can take a picture with their desktop's own tool; fetch it with `get`.",
        )
    if not environment.get("DISPLAY"):
        raise RefusedError(
            "the agent was started where no screen is",
            reason=NO_SCREEN,
            advice="The customer starts it in a terminal of their desktop.",
        )
