"""The gate for what the customer does alone (`self-check`, `watch`): the same one, with the customer as actor.

Rule: the grants are the customer's own, by having typed the command; the local file's fsync is the acknowledgement.
"""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from remote_assist.agent.alone.local_log import LOCAL, LocalLog
from remote_assist.agent.gate import Gate
from remote_assist.agent.keeper import Clock, Keeper
from remote_assist.agent.machine import Machine, own_places
from remote_assist.core.consent import Granted, grants_of
from remote_assist.core.hostile import SafeStr
from remote_assist.core.records import Actor
from remote_assist.transport.local_target import LocalTarget
from remote_assist.transport.private_files import make_private_folder

SECONDS = 3600
"""How long the customer's own command may take."""

CUSTOMER = Actor(kind="customer")


def customers_gate(
    home: Path, folder: str, scopes: list[str], moment: Clock, show: Callable[[SafeStr], None], *, daily: bool = False
) -> Gate:
    """A gate whose log is a new file in `folder` of the state folder; with `daily` one file a day."""
    now = moment()
    place = make_private_folder(make_private_folder(home) / folder)
    name = f"{now.utc:%Y%m%d}" if daily else f"{now.utc:%Y%m%dT%H%M%S%f}Z"
    log = LocalLog(place / f"{name}.jsonl", lambda: moment().utc)
    keeper = Keeper(LOCAL, moment)
    limit = now.utc + timedelta(seconds=SECONDS)
    grants = grants_of(scopes, scopes, seconds=SECONDS, limit=limit, now=now.utc, key=LOCAL)
    keeper.happen(Granted(LOCAL, grants, now))
    off_limits = own_places(home)
    machine = Machine(LocalTarget(off_limits), LOCAL, off_limits)
    return Gate(machine, keeper, log, link_up=lambda: True, show=show)
