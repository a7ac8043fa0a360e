"""What a machine is for, by its facts, and which bundle looks at that best."""

from collections.abc import Mapping, Sequence

PRESETS = {
    "database": "database",
    "web server": "web-server",
    "container host": "container-host",
    "workplace": "desktop",
}
"""Role → bundle, the narrowest role first."""


def roles_of(facts: Mapping[str, object]) -> list[str]:
    """The roles the facts of a bundle show, the narrowest first; none where they show none."""
    processes = {str(row.get("name", "")) for row in _rows(facts, "processes")}
    services = {str(row.get("name", "")).partition(".")[0] for row in _rows(facts, "services") if _runs(row)}
    there = processes | services
    found = {
        "database": _any(there, ("postgres", "postgresql", "mysqld", "mariadbd", "mariadb", "mysql", "MSSQLSERVER")),
        "web server": _any(there, ("nginx", "apache2", "httpd", "caddy", "W3SVC")),
        "container host": _any(there, ("dockerd", "docker", "containerd", "podman", "kubelet")),
        "workplace": _any(
            there, ("Xorg", "gnome-shell", "kwin_wayland", "plasmashell", "explorer", "Finder", "loginwindow")
        ),
    }
    return [role for role in PRESETS if found[role]]


def preset_for(facts: Mapping[str, object]) -> str:
    """The bundle for what the machine is for, or empty."""
    return next((PRESETS[role] for role in roles_of(facts)), "")


def _rows(facts: Mapping[str, object], name: str) -> Sequence[Mapping[str, object]]:
    rows = facts.get(name)
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def _runs(row: Mapping[str, object]) -> bool:
    return row.get("state") == "active"


def _any(there: set[str], names: tuple[str, ...]) -> bool:
    return any(name in there for name in names)
