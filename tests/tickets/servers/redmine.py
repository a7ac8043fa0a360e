"""Redmine 5 of Debian 12, with SQLite, as a private instance: a copy of its program folder, no root.

The copy is needed because Debian's Redmine reads /etc/redmine and writes /var/lib/redmine. BUNDLER_VERSION names the
bundler that Debian patched to find Debian's gems; the one of the security update does not.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.tickets.servers import free_port, need, wait_until_served

PROGRAM = Path("/usr/share/redmine")
ACCOUNTS = r"""
Setting.rest_api_enabled = "1"; Setting.login_required = "1"
admin = User.find_by_login("admin"); admin.must_change_passwd = false; admin.save!
project = Project.create!(name: "Support", identifier: "support", trackers: Tracker.all,
                          enabled_module_names: %w[issue_tracking time_tracking])
manager = Role.givable.first
connector = User.new(firstname: "Remote", lastname: "Assist", mail: "connector@example.com", language: "en")
connector.login = "connector"; connector.password = connector.password_confirmation = "not-used-8472"
connector.save!
Member.create!(user_id: connector.id, project: project, roles: [manager])
field = IssueCustomField.create!(name: "Resolution", field_format: "string", is_for_all: true, trackers: Tracker.all)
weak = Role.create!(name: "Weak", permissions: %i[view_issues add_issues edit_issues add_issue_notes])
other = User.new(firstname: "Weak", lastname: "Assist", mail: "weak@example.com", language: "en")
other.login = "weak"; other.password = other.password_confirmation = "not-used-8472"
other.save!
Member.create!(user_id: other.id, project: project, roles: [weak])
File.write(ARGV[0], [connector.api_key, other.api_key].join("\n"))
"""


@dataclass(frozen=True, slots=True)
class Served:
    """A running instance. `weak_key` belongs to somebody who may not make notes private."""

    url: str
    key: str
    weak_key: str
    folder: Path


@contextmanager
def redmine(folder: Path) -> Iterator[Served]:
    """A fresh Redmine in `folder`; ends with the block."""
    need(str(PROGRAM / "config.ru"), "/usr/bin/puma")
    place, environment = _copy(folder)

    def run(*argv: str) -> None:
        done = subprocess.run(argv, cwd=place, env=environment, capture_output=True)
        assert done.returncode == 0, done.stdout[-1500:] + done.stderr[:1500]

    run("bundle", "install", "--local", "--quiet")
    run("bundle", "exec", "rake", "db:migrate")
    run("bundle", "exec", "rake", "redmine:load_default_data")  # on its own: classes know their columns from the start
    run("bundle", "exec", "rails", "runner", ACCOUNTS, str(folder / "keys"))
    key, weak_key = (folder / "keys").read_text().split()
    port, log = free_port(), folder / "server.log"
    argv = ["puma", "-e", "production", "-b", f"tcp://127.0.0.1:{port}", "-t", "2:4", "config.ru"]
    with (
        log.open("wb") as out,
        subprocess.Popen(
            argv, cwd=place, env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True
        ) as server,
    ):
        try:
            url = f"http://127.0.0.1:{port}"
            wait_until_served(f"{url}/users/current.json", {"X-Redmine-API-Key": key}, server, log)
            yield Served(url, key, weak_key, folder)
        finally:
            os.killpg(server.pid, 15)


def _copy(folder: Path) -> tuple[Path, dict[str, str]]:
    place = folder / "redmine"
    shutil.copytree(PROGRAM, place, symlinks=True, ignore=shutil.ignore_patterns("instances", "Gemfile.lock"))
    instance = place / "instances" / "default"
    for name in ("config", "log", "tmp/cache", "files"):
        (instance / name).mkdir(parents=True)
    database = f"adapter: sqlite3\n  database: {folder}/redmine.sqlite3\n  encoding: utf8\n  timeout: 10000\n"
    (instance / "config" / "database.yml").write_text(f"production:\n  {database}")
    (instance / "config" / "secret_key.txt").write_text("0123456789abcdef" * 8)
    link = place / "config" / "database.yml"
    link.unlink()
    link.symlink_to(instance / "config" / "database.yml")
    gems = place / "Gemfile"
    gems.write_text(gems.read_text().replace(str(PROGRAM), str(place)))
    return place, {
        **os.environ,
        "BUNDLER_VERSION": "2.3.15",
        "RAILS_ENV": "production",
        "REDMINE_INSTANCE": "default",
        "REDMINE_LANG": "en",
        "SCHEMA": "/dev/null",
        "HOME": str(folder),
    }
