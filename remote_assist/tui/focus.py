"""Who may move the focus: an answer that arrives late must never take the keys from somebody who types."""

from textual.widget import Widget
from textual.widgets import Input


def may_take_focus(place: Widget) -> bool:
    """Whether an answer may put the focus into `place`: it is displayed, and no field elsewhere is being typed in.

    Focusing a widget in a hidden tab would bring that tab to the front.
    """
    around = [node for node in place.ancestors_with_self if isinstance(node, Widget)]
    focused = place.screen.focused
    typing_elsewhere = isinstance(focused, Input) and place not in focused.ancestors
    return all(node.display for node in around) and not typing_elsewhere


def takes_every_key(place: object) -> bool:
    """Whether keys that would leave or open the palette belong to the program shown there (a remote terminal)."""
    return bool(getattr(place, "TAKES_EVERY_KEY", False))
