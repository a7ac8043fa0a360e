"""Configuration files by digest: what changed, without what is in them. An allow-list, with no key on it."""

import asyncio
import hashlib
from datetime import UTC, datetime

from remote_assist.core.target import FileStatus
from remote_assist.diagnostics.look import Gathered, Look, Unavailable, together
from remote_assist.errors import AssistError

FILES = (
    "/etc/fstab",
    "/etc/hosts",
    "/etc/hostname",
    "/etc/resolv.conf",
    "/etc/nsswitch.conf",
    "/etc/crontab",
    "/etc/sysctl.conf",
    "/etc/timezone",
    "/etc/default/grub",
    "/etc/ssh/sshd_config",
    "/etc/ssh/ssh_config",
    "/etc/apt/sources.list",
    "/etc/nginx/nginx.conf",
    "/etc/apache2/apache2.conf",
    "/etc/httpd/conf/httpd.conf",
    "/etc/haproxy/haproxy.cfg",
    "/etc/mysql/my.cnf",
    "/etc/postfix/main.cf",
    "/etc/postfix/master.cf",
    "/etc/samba/smb.conf",
    "/etc/docker/daemon.json",
    "/etc/chrony/chrony.conf",
    "/etc/systemd/resolved.conf",
    "/etc/systemd/journald.conf",
    "/etc/security/limits.conf",
)
FOLDERS = (
    "/etc/apt/sources.list.d",
    "/etc/cron.d",
    "/etc/sysctl.d",
    "/etc/modprobe.d",
    "/etc/ssh/sshd_config.d",
    "/etc/nginx/conf.d",
    "/etc/nginx/sites-available",
    "/etc/apache2/sites-available",
    "/etc/apache2/conf-available",
    "/etc/php",
    "/etc/mysql/conf.d",
    "/etc/mysql/mariadb.conf.d",
    "/etc/systemd/system",
    "/etc/systemd/network",
    "/etc/logrotate.d",
    "/etc/network/interfaces.d",
)
MAX_FILES, MAX_BYTES = 200, 256 << 10
AT_ONCE = 4
"""Looks at once: on a machine that is far away each takes a few round trips."""

Row = dict[str, object]


async def config_files(look: Look) -> Gathered:
    """Path, digest, size and time of each listed file that can be read; links and what is larger are left out."""
    slots = asyncio.Semaphore(AT_ONCE)

    async def one(path: str) -> list[FileStatus]:
        async with slots:
            return await _status(look, path)

    async def inside(folder: str) -> list[FileStatus]:
        async with slots:
            return await look.folder(folder, max_entries=MAX_FILES)

    async def seen(status: FileStatus) -> Row | None:
        async with slots:
            return await _row(look, status)

    found = [*await together(one(path) for path in FILES), *await together(inside(folder) for folder in FOLDERS)]
    statuses = [each for group in found for each in group]
    fitting = [each for each in statuses if each.kind == "file" and each.size_bytes <= MAX_BYTES][:MAX_FILES]
    rows = [row for row in await together(seen(each) for each in fitting) if row is not None]
    if not rows:
        raise Unavailable("none of the configuration files this looks for is here")
    return Gathered(rows, cut=len(statuses) > MAX_FILES)


async def _status(look: Look, path: str) -> list[FileStatus]:
    try:
        return [await look.target.status(path)]
    except AssistError:
        return []


async def _row(look: Look, status: FileStatus) -> Row | None:
    try:
        raw = await look.target.read(status.path, max_bytes=MAX_BYTES)
    except AssistError:
        return None
    changed = datetime.fromtimestamp(status.modified, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "path": status.path,
        "sha256": hashlib.sha256(raw).hexdigest(),
        "size_bytes": status.size_bytes,
        "changed": changed,
    }
