"""A login shell at a terminal of a machine reached by SSH. Its server keeps the terminal and hangs up when we leave."""

from collections.abc import Callable

import paramiko

from remote_assist.transport.hops.ssh_program import HopProgram
from remote_assist.transport.posix.pty import Window

Later = Callable[[Callable[[], None]], None]
"""Do something that may block, soon and in order, in the hop's own threads. Returns at once."""

END_OF_FILE = b"\x04"


class HopTerminal(HopProgram):
    """Offers what transport/posix/pty.py's RunningTerminal does."""

    def __init__(self, channel: paramiko.Channel, later: Later) -> None:
        super().__init__(channel, lambda process_id, name: None, mark="")
        self._later = later

    def close_stdin(self) -> None:
        """Type the end-of-file character: a terminal's input has no other end."""
        self._later(lambda: self._channel.sendall(END_OF_FILE))

    def resize(self, columns: int, rows: int) -> Window:
        """Change the size; answers what it is from now on."""
        window = Window.bounded(columns, rows)
        self._later(lambda: self._channel.resize_pty(window.columns, window.rows))
        return window

    def terminate(self) -> None:
        """Hang up: the server over there signals the shell and whoever is in its foreground. Returns at once."""
        self._later(self._channel.close)

    def kill(self) -> None:
        """The same: a terminal that is closed cannot be asked to stay."""
        self.terminate()
        self._end()
