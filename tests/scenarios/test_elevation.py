"""A person without root, real sudo, a real password: only the right one opens, no ticket is left behind."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.scenarios.person import Person, a_person

pytestmark = [pytest.mark.slow, pytest.mark.root]


@pytest.fixture(scope="module")
def person() -> Iterator[Person]:
    with a_person("sudo") as person:
        rule = Path(f"/etc/sudoers.d/{person.name}")
        try:
            rule.write_text(f"{person.name} ALL=(ALL:ALL) ALL\n")
            rule.chmod(0o440)
            yield person
        finally:
            rule.unlink(missing_ok=True)


def test_only_the_right_password_makes_root(person: Person) -> None:
    wrong, right = person.elevate("not " + person.password, person.password)
    assert "did not take the password" in wrong
    assert right == "root"


def test_no_ticket_is_left_for_a_terminal_to_ride_on(person: Person) -> None:
    assert person.elevate(person.password) == ["root"]
    argv = ["runuser", "-u", person.name, "--", "sudo", "-n", "id", "-u"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, cwd="/", check=False)
    assert done.returncode != 0, done.stdout
