"""Colours and signs of the screens. Meaning never hangs on colour alone: every state has its own sign."""

from textual.theme import Theme

INK, FAINT, ACCENT = "#d6dbe1", "#8b95a1", "#7fb4e6"
GOOD, WARN, BAD, FIX = "#86c98a", "#e0b45c", "#ee7a72", "#c6a0e8"

ASSIST = Theme(
    name="assist",
    primary=ACCENT,
    secondary="#5a7fa6",
    accent=ACCENT,
    foreground=INK,
    background="#12161b",
    surface="#12161b",
    panel="#232a33",
    success=GOOD,
    warning=WARN,
    error=BAD,
    dark=True,
    variables={
        "block-cursor-background": "#2b4562",
        "block-cursor-foreground": "#ffffff",
        "block-cursor-text-style": "none",
        "block-cursor-blurred-background": "#222a33",
        "block-cursor-blurred-foreground": INK,
        "block-cursor-blurred-text-style": "none",
        "footer-key-foreground": ACCENT,
        "footer-background": "#232a33",
        "border": "#3a4654",
        "border-blurred": "#2a333d",
    },
)
"""Dark and quiet: what all screens are drawn in."""

LIGHT = Theme(
    name="light",
    primary="#1f5f99",
    secondary="#44698c",
    accent="#1f5f99",
    foreground="#1b232b",
    background="#f7f8f9",
    surface="#f7f8f9",
    panel="#dfe4e9",
    success="#1d7a34",
    warning="#8a5a00",
    error="#b3261e",
    dark=False,
    variables={
        "block-cursor-background": "#bcd7f0",
        "block-cursor-foreground": "#000000",
        "block-cursor-text-style": "none",
        "block-cursor-blurred-background": "#e3e8ed",
        "block-cursor-blurred-foreground": "#1b232b",
        "block-cursor-blurred-text-style": "none",
        "footer-key-foreground": "#1f5f99",
        "footer-background": "#dfe4e9",
        "border": "#9aa7b4",
        "border-blurred": "#c3ccd4",
    },
)

CONTRAST = Theme(
    name="contrast",
    primary="#66d9ff",
    secondary="#66d9ff",
    accent="#66d9ff",
    foreground="#ffffff",
    background="#000000",
    surface="#000000",
    panel="#1a1a1a",
    success="#5cff5c",
    warning="#ffd700",
    error="#ff6b6b",
    dark=True,
    variables={
        "block-cursor-background": "#ffffff",
        "block-cursor-foreground": "#000000",
        "block-cursor-text-style": "bold",
        "block-cursor-blurred-background": "#4d4d4d",
        "block-cursor-blurred-foreground": "#ffffff",
        "block-cursor-blurred-text-style": "none",
        "footer-key-foreground": "#66d9ff",
        "footer-background": "#1a1a1a",
        "border": "#ffffff",
        "border-blurred": "#8c8c8c",
    },
)

THEMES: dict[str, Theme] = {"dark": ASSIST, "light": LIGHT, "contrast": CONTRAST}

_LIGHT_INKS = ("#1b232b", "#56616c", "#1f5f99", "#1d7a34", "#8a5a00", "#b3261e", "#7a3fa8")
_CONTRAST_INKS = ("#ffffff", "#c8c8c8", "#66d9ff", "#5cff5c", "#ffd700", "#ff6b6b", "#e0a0ff")


def inks(theme: str) -> dict[str, str]:
    """Ink of the dark theme → the same meaning in `theme`; empty for the dark one."""
    others = {"light": _LIGHT_INKS, "contrast": _CONTRAST_INKS}.get(theme, ())
    return dict(zip((INK, FAINT, ACCENT, GOOD, WARN, BAD, FIX), others, strict=False))


SEVERITY: dict[str, tuple[str, str]] = {
    "critical": ("✖", BAD),
    "high": ("✖", BAD),
    "medium": ("▲", WARN),
    "low": ("▪", INK),
    "info": ("i", FAINT),
}
"""Severity of a finding → sign and colour."""

SEVERITY_ORDER = tuple(SEVERITY)

STATUS: dict[str, tuple[str, str]] = {
    "running": ("…", ACCENT),
    "done": ("✔", GOOD),
    "resolved": ("✔", GOOD),
    "failed": ("✖", BAD),
    "refused": ("✖", BAD),
    "denied": ("✖", BAD),
    "aborted": ("✖", BAD),
    "cancelled": ("–", WARN),
    "rolled-back": ("↶", WARN),
}
"""How an action stands → sign and colour."""

SESSION_STATE: dict[str, tuple[str, str]] = {
    "live": ("●", GOOD),
    "away": ("○", WARN),
    "ended": ("–", FAINT),
}
"""State of a session, as the relay reports it → sign and colour."""
