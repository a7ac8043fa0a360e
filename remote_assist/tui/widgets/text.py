"""The only way a peer's words reach a widget: safe, plain, and never markup."""

from rich.text import Text

from remote_assist.core.hostile import safe_pieces


def shown(raw: str | bytes, style: str = "", *, lines: bool = False, max_chars: int = 4096) -> Text:
    """Plain text of what a peer said; what had to be replaced is shown in reverse."""
    text = Text(no_wrap=False, end="")
    for piece in safe_pieces(raw, lines=lines, max_chars=max_chars):
        text.append(piece.text, f"{style} reverse".strip() if piece.replaced else style)
    return text


def joined(*parts: Text | str | tuple[str, str]) -> Text:
    """Our own words and safe texts in one line: `joined("run ", shown(name), ("!", "bold"))`."""
    return Text.assemble(*parts, end="")


def cut(text: Text, width: int) -> Text:
    """At most `width` cells wide, ending in … where something is missing."""
    short = text.copy()
    short.truncate(max(width, 1), overflow="ellipsis")
    return short
