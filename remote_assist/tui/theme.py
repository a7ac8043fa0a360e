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
"""Dark and quiet; the one theme, so that pictures and habits agree."""

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
