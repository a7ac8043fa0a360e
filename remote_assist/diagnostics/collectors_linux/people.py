"""Accounts of the machine: /etc/passwd and who is logged in. /etc/shadow is never read."""

from remote_assist.diagnostics.look import Gathered, Look, Unavailable

FIRST_PERSON, LAST_PERSON = 1000, 60000
"""User ids of people (login.defs: UID_MIN, UID_MAX)."""


async def users(look: Look) -> Gathered:
    """Every account; `person` are those made for people."""
    try:
        logged_in = {line.split()[0] for line in (await look.run("who")).splitlines() if line.strip()}
    except Unavailable:
        logged_in = set()
    rows = parse_passwd(await look.text("/etc/passwd"))
    for row in rows:
        row["logged_in"] = row["name"] in logged_in
    return Gathered(rows)


def parse_passwd(text: str) -> list[dict[str, object]]:
    """passwd(5); the comment field (a person's full name) is left out."""
    rows: list[dict[str, object]] = []
    for line in text.splitlines():
        parts = line.split(":")
        if len(parts) == 7 and parts[2].isdigit() and parts[3].isdigit():
            number = int(parts[2])
            rows.append(
                {
                    "name": parts[0],
                    "uid": number,
                    "gid": int(parts[3]),
                    "home": parts[5],
                    "shell": parts[6],
                    "person": FIRST_PERSON <= number < LAST_PERSON,
                }
            )
    return rows
