"""What a machine is for, and the bundle that follows from it."""

import pytest

from remote_assist.core.catalog.roles import preset_for, roles_of


@pytest.mark.parametrize(
    ("facts", "bundle"),
    [
        ({"processes": [{"name": "postgres"}, {"name": "nginx"}]}, "database"),
        ({"services": [{"name": "nginx.service", "state": "active"}]}, "web-server"),
        ({"processes": [{"name": "dockerd"}]}, "container-host"),
        ({"processes": [{"name": "gnome-shell"}]}, "desktop"),
        ({"services": [{"name": "nginx.service", "state": "failed"}]}, ""),
        ({"processes": "nonsense", "services": [5]}, ""),
        ({}, ""),
    ],
)
def test_the_narrowest_role_decides(facts: dict[str, object], bundle: str) -> None:
    assert preset_for(facts) == bundle


def test_every_role_is_told() -> None:
    facts: dict[str, object] = {"processes": [{"name": "nginx"}, {"name": "mariadbd"}]}
    assert roles_of(facts) == ["database", "web server"]
