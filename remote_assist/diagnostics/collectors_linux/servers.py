"""Servers and what they say of themselves: web, databases, mail, ssh, containers; and their logs.

A program that is not installed is a fact (`present: false`, no rows); one that cannot be asked is Unavailable.
"""

import re

import msgspec

from remote_assist.diagnostics.collectors_linux.logs import digest
from remote_assist.diagnostics.look import Gathered, Look, Unavailable

APP_LOGS = (
    "/var/log/nginx/error.log",
    "/var/log/apache2/error.log",
    "/var/log/httpd/error_log",
    "/var/log/mysql/error.log",
    "/var/log/mariadb/mariadb.log",
    "/var/log/mail.err",
)
WEB_TESTS = (
    ("nginx", ("/usr/sbin/nginx", "/usr/local/sbin/nginx"), ("nginx", "-t", "-q")),
    ("apache2", ("/usr/sbin/apache2ctl",), ("apache2ctl", "-t")),
    ("httpd", ("/usr/sbin/httpd",), ("httpd", "-t")),
)
SSHD_KEYS = (
    "permitrootlogin",
    "passwordauthentication",
    "permitemptypasswords",
    "x11forwarding",
    "maxauthtries",
    "port",
)
TELLING = re.compile(r"\[(?:emerg|crit|error)\]|[Ss]yntax error|Invalid command|Cannot|Unable")
INSPECTED = "\t".join(
    f"{{{{.{each}}}}}"
    for each in ("Name", "State.Status", "State.ExitCode", "State.OOMKilled", "RestartCount", "Config.Image")
)
"""Named fields only: a whole `inspect` would hold environments."""

Row = dict[str, object]


async def _installed(look: Look, *paths: str) -> bool:
    return any([await look.exists(path) for path in paths])


async def web_config(look: Look) -> Gathered:
    """What each web server says to its own configuration (`-t`): valid, or the first complaint."""
    rows: list[Row] = []
    for name, places, argv in WEB_TESTS:
        if await _installed(look, *places):
            done = await look.completed(*argv, timeout_seconds=8)
            error = complaint(done.stderr.decode("utf-8", "replace")) if done.status else ""
            rows.append({"name": name, "valid": done.status == 0, "error": error})
    return Gathered(rows)


def complaint(text: str) -> str:
    """The line that says what is wrong."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    telling = [line for line in lines if TELLING.search(line)]
    return (telling or lines or [""])[0][:300]


async def postgresql(look: Look) -> Gathered:
    """Whether PostgreSQL runs, takes connections and has some left."""
    clusters = await look.folder("/var/lib/postgresql", max_entries=20)
    if not clusters and not await _installed(look, "/usr/bin/psql", "/usr/bin/pg_lsclusters"):
        return Gathered({"present": False})
    sockets = await look.folder("/run/postgresql", max_entries=50)
    ports = sorted({found[1] for each in sockets if (found := re.search(r"/\.s\.PGSQL\.(\d+)$", each.path))})
    facts: Row = {"present": True, "server": bool(clusters), "running": bool(ports), "ports": ports}
    if ports:
        try:
            facts.update(await _postgresql_numbers(look, ports[0]))
        except Unavailable:
            facts["asked"] = False
    return Gathered(facts)


async def _postgresql_numbers(look: Look, port: str) -> Row:
    query = (
        "select (select count(*) from pg_stat_activity), current_setting('max_connections'),"
        " (select count(*) from pg_stat_activity where wait_event_type = 'Lock'),"
        " (select count(*) from pg_stat_activity where state = 'idle in transaction')"
    )
    argv = ("psql", "-X", "-w", "-A", "-t", "-F", " ", "-p", port, "-d", "postgres", "-c", query)
    text = await _as_owner(look, argv)
    numbers = [int(word) for word in text.split() if word.isdigit()]
    if len(numbers) != 4:
        raise Unavailable("psql gave no numbers")
    return {
        "asked": True,
        "connections": numbers[0],
        "connections_max": numbers[1],
        "connections_pct": round(100 * numbers[0] / max(1, numbers[1]), 1),
        "waiting": numbers[2],
        "idle_in_transaction": numbers[3],
    }


async def _as_owner(look: Look, argv: tuple[str, ...]) -> str:
    try:
        return await look.run(*argv)
    except Unavailable:
        return await look.run("runuser", "-u", "postgres", "--", *argv)


async def mysql(look: Look) -> Gathered:
    """Whether MySQL or MariaDB runs, answers and has connections left. Nothing of its data."""
    if not await _installed(look, "/usr/sbin/mysqld", "/usr/sbin/mariadbd", "/usr/libexec/mysqld"):
        return Gathered({"present": False})
    names = {name.strip() for name in (await look.run("ps", "-eo", "comm=")).splitlines()}
    facts: Row = {"present": True, "running": bool(names & {"mysqld", "mariadbd"})}
    if facts["running"]:
        query = "select 'open', count(*), @@max_connections from information_schema.processlist"
        try:
            facts.update(parse_mysql(await look.run("mysql", "--batch", "--skip-column-names", "-e", query)))
        except Unavailable:
            facts["asked"] = False
    return Gathered(facts)


def parse_mysql(text: str) -> Row:
    """The answer to the query above."""
    match = re.search(r"open\t(\d+)\t(\d+)", text)
    if match is None:
        raise Unavailable("mysql gave no numbers")
    used, limit = int(match[1]), int(match[2])
    pct = round(100 * used / max(1, limit), 1)
    return {"asked": True, "connections": used, "connections_max": limit, "connections_pct": pct}


async def mail_queue(look: Look) -> Gathered:
    """How many messages wait to be sent, and how many were put off. No addresses."""
    if not await _installed(look, "/usr/sbin/postqueue", "/usr/sbin/exim4", "/usr/sbin/exim"):
        return Gathered({"present": False})
    try:
        return Gathered(
            {
                "present": True,
                **parse_postqueue(await look.run("postqueue", "-j", max_bytes=8 << 20), look.now.timestamp()),
            }
        )
    except Unavailable:
        text = (await look.run("exim4", "-bpc")).strip()
    return Gathered({"present": True, "waiting": int(text), "deferred": 0, "oldest_hours": 0.0})


def parse_postqueue(text: str, now: float) -> Row:
    """`postqueue -j`: a JSON object a line."""
    rows = [msgspec.json.decode(line.encode(), type=dict[str, object]) for line in text.splitlines() if line.strip()]
    arrivals = [float(str(row.get("arrival_time") or now)) for row in rows]
    return {
        "waiting": len(rows),
        "deferred": sum(row.get("queue_name") == "deferred" for row in rows),
        "oldest_hours": round(max([now - each for each in arrivals], default=0.0) / 3600, 1),
    }


async def sshd_config(look: Look) -> Gathered:
    """The settings of the ssh server that decide who may try what, as it understands them itself."""
    if not await _installed(look, "/usr/sbin/sshd"):
        return Gathered({"present": False})
    done = await look.completed("/usr/sbin/sshd", "-T")
    text = done.stdout.decode("utf-8", "replace")
    if done.status != 0 or not text:
        text = await look.text("/etc/ssh/sshd_config")
    return Gathered({"present": True, "effective": done.status == 0, **parse_sshd(text)})


def parse_sshd(text: str) -> Row:
    """`sshd -T`, or the file: the first value of a key counts (sshd_config(5))."""
    facts: Row = {}
    for key, value in re.findall(r"(?m)^\s*(\w+)\s+(\S+)", text):
        name = key.lower()
        if name in SSHD_KEYS and name not in facts:
            facts[name] = int(value) if name in {"port", "maxauthtries"} and value.isdigit() else value.lower()
    return facts


async def containers(look: Look) -> Gathered:
    """Containers with state and restarts; no environment, no command line."""
    said = "neither docker nor podman"
    for program in ("docker", "podman"):
        if not await _installed(look, f"/usr/bin/{program}", f"/usr/local/bin/{program}"):
            continue
        try:
            ids = (await look.run(program, "ps", "-a", "-q", "--no-trunc", timeout_seconds=8)).split()[:200]
            text = await look.run(program, "inspect", "--format", INSPECTED, *ids, timeout_seconds=8) if ids else ""
            return Gathered(parse_containers(program, text))
        except Unavailable as error:
            said = error.message
    if said.startswith("neither"):
        return Gathered([])
    raise Unavailable(said)


def parse_containers(engine: str, text: str) -> list[Row]:
    """The `inspect` call above."""
    rows: list[Row] = []
    for line in text.splitlines():
        parts = line.split("\t")
        if len(parts) == 6 and parts[2].lstrip("-").isdigit() and parts[4].isdigit():
            rows.append(
                {
                    "name": parts[0].lstrip("/"),
                    "state": parts[1],
                    "exit": int(parts[2]),
                    "out_of_memory": parts[3] == "true",
                    "restarts": int(parts[4]),
                    "image": parts[5].rpartition("@")[0] or parts[5],
                    "engine": engine,
                }
            )
    return rows


async def app_logs(look: Look) -> Gathered:
    """Errors of known servers' logs as templates with counts."""
    rows: list[Row] = []
    for path in APP_LOGS:
        try:
            newest = await look.log_lines(path, max_bytes=128 << 10)
        except Unavailable:
            continue
        lines = [line for line in newest if re.search(r"(?i)\b(?:error|emerg|crit|fatal|denied)\b", line)]
        rows += digest(lines, path, top=8)
    return Gathered(rows)


async def browsers(look: Look) -> Gathered:
    """Browsers of each person and the identifiers of their extensions: names of folders only, no file is opened."""
    rows: list[Row] = []
    for home in (await look.folder("/home", max_entries=100))[:50]:
        for browser, place in (
            ("chrome", ".config/google-chrome/Default/Extensions"),
            ("chromium", ".config/chromium/Default/Extensions"),
        ):
            found = await look.folder(f"{home.path}/{place}", max_entries=100)
            if found or await look.exists(f"{home.path}/{place}"):
                names = [each.path.rpartition("/")[2] for each in found if each.kind == "folder"]
                rows.append({"user": home.path.rpartition("/")[2], "name": browser, "extensions": names})
        for profile in await look.folder(f"{home.path}/.mozilla/firefox", max_entries=50):
            found = await look.folder(f"{profile.path}/extensions", max_entries=100)
            if found:
                names = [each.path.rpartition("/")[2].removesuffix(".xpi") for each in found]
                rows.append({"user": home.path.rpartition("/")[2], "name": "firefox", "extensions": names})
    return Gathered(rows)
