"""A person without root, no sudo, a real polkitd on a private system bus: only their own right password opens."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.scenarios.person import Person, a_person

pytestmark = [pytest.mark.slow, pytest.mark.root]

POLKITD = "/usr/lib/polkit-1/polkitd"
APART = f"""
mount --make-rprivate /
mkdir -p /run/dbus /etc/polkit-1/rules.d
mount -t tmpfs -o mode=755 none /run/dbus
mount --bind "$1" /etc/polkit-1/rules.d
[ ! -e /usr/bin/sudo ] || mount --bind /dev/null /usr/bin/sudo
shift
exec 3>&2 2>/dev/null
dbus-daemon --system --nofork --nopidfile --print-address 2>&3 >/run/dbus/address & bus=$!
until [ -s /run/dbus/address ]; do sleep 0.05; done
{POLKITD} --no-debug >/dev/null & polkitd=$!
trap 'kill "$polkitd" "$bus"' EXIT
until dbus-send --system --print-reply --dest=org.freedesktop.DBus / org.freedesktop.DBus.GetNameOwner \
  string:org.freedesktop.PolicyKit1 >/dev/null; do sleep 0.05; done
exec 2>&3
"$@"
"""
"""In a mount namespace: no sudo, a system bus and a polkitd of its own, whose rules are those of folder $1."""


@pytest.fixture(scope="module")
def person() -> Iterator[Person]:
    with a_person("unshare", "dbus-daemon", "dbus-send", POLKITD, "pkexec", "pkttyagent", "pkcheck") as person:
        yield person


def apart(folder: Path, *administrators: str, kept: bool = False) -> list[str]:
    """The words before a program: polkit asks for one of these people's passwords; `kept`: not again for a while."""
    rules = folder / "rules"
    rules.mkdir()
    listed = ", ".join(f"'unix-user:{name}'" for name in administrators)
    word = "AUTH_ADMIN_KEEP" if kept else "AUTH_ADMIN"
    (rules / "10-test.rules").write_text(
        f"polkit.addAdminRule(function(action, subject) {{ return [{listed}]; }});\n"
        f"polkit.addRule(function(action, subject) {{ return polkit.Result.{word}; }});\n"
    )
    for path in (folder, *folder.parents[: len(folder.parents) - 2]):
        path.chmod(path.stat().st_mode | 0o055)
    return ["unshare", "--mount", "sh", "-euc", APART, "sh", str(rules)]


def test_only_the_right_password_makes_root(person: Person, tmp_path: Path) -> None:
    words = apart(tmp_path, person.name)
    wrong, right = person.elevate("not " + person.password, person.password, within=words)
    assert "polkit did not take the password" in wrong
    assert right == "root"


def test_of_several_administrators_the_person_is_chosen(person: Person, tmp_path: Path) -> None:
    assert person.elevate(person.password, within=apart(tmp_path, "root", person.name)) == ["root"]


def test_nobody_elses_password_is_tried(person: Person, tmp_path: Path) -> None:
    for administrators in (("root",), ("root", "daemon")):
        folder = tmp_path / "-".join(administrators)
        folder.mkdir()
        (told,) = person.elevate(person.password, within=apart(folder, *administrators))
        assert "this user may not become root" in told


RIDING = """
import asyncio, subprocess, sys
from remote_assist.transport.elevated_target import ElevatedTarget

async def main():
    target = await ElevatedTarget.start(sys.argv[1], [])
    await target.close()

asyncio.run(main())
pkexec = ["pkexec", "--disable-internal-agent", "id", "-u"]
for argv in (pkexec, ["setsid", "-w", "sh", "-c", '"$@"; exit "$?"', "sh", *pkexec]):
    print(subprocess.run(argv, capture_output=True, text=True).stdout.strip() or "no")
"""
"""Root once; then the same process and a shell below it, as a technician has one, try without a password."""


def test_what_polkit_keeps_is_no_ticket_to_ride_on(person: Person, tmp_path: Path) -> None:
    """An administrator of that computer may have said that a password counts for five minutes."""
    words = apart(tmp_path, person.name, kept=True)
    first, second = person.elevate(person.password, "not " + person.password, within=words)
    assert (first, "did not take" in second) == ("root", True)
    argv = [*words, "runuser", "-u", person.name, "--", str(person.python), "-c", RIDING, person.password]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, cwd="/", check=False)
    assert done.stdout.split() == ["no", "no"], done.stderr
