"""How the way to a customer's agent stands, as every screen shows it."""

from enum import Enum

from remote_assist.tui.theme import BAD, FAINT, GOOD, WARN


class LinkState(Enum):
    """How the way to the agent stands: sign, words, colour."""

    CONNECTING = ("…", "connecting", WARN)
    UP = ("▲", "linked", GOOD)
    SILENT = ("△", "no answer", WARN)
    RECONNECTING = ("▼", "reconnecting…", WARN)
    DOWN = ("▼", "link down", BAD)
    OVER = ("■", "ended", FAINT)
