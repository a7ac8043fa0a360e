"""Requests about machines behind the agent's, as long as none is reached: what they need is loaded only then.

Rule: an agent without the extra `hops` refuses with a sentence and loads nothing.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from remote_assist.agent.conversation import Caller
from remote_assist.agent.session import Session
from remote_assist.core.hostile import HostileStr
from remote_assist.core.prompt import Prompt
from remote_assist.core.requests import UseMachine
from remote_assist.core.target import MutableTarget
from remote_assist.core.wishes import parse_hop
from remote_assist.errors import RefusedError
from remote_assist.settings import AgentSettings

if TYPE_CHECKING:  # only a name for types: it loads paramiko
    from remote_assist.agent.hops.machines import Hops


class HopRequests:
    """Executors that lead to other machines; holds those of one session."""

    def __init__(self, session: Session, home: Path) -> None:
        self._session = session
        self._home = home
        self._hops: Hops | None = None

    async def use_machine(self, caller: Caller, request: UseMachine) -> None:
        """Stand on another machine. Raises RefusedError where this agent has no way to any."""
        await self._loaded().use(caller, request)

    async def reach(self, place: str) -> MutableTarget:
        """A machine that was reached before, anew where the way was cut. Raises AssistError."""
        return await self._loaded().reach(parse_hop(place), None)

    def _loaded(self) -> "Hops":
        if self._hops is None:
            facts = self._session.facts
            name = HostileStr(facts.technician.certificate.name)
            self._hops = load_hops(facts.id, name, self._session.prompt, self._home, facts.settings)
            self._session.end.on_close(self._hops.close)
        return self._hops


def load_hops(session: str, who: HostileStr, prompt: Prompt, home: Path, settings: AgentSettings) -> "Hops":
    """The ways to other machines. Raises RefusedError where this agent has none."""
    try:
        from remote_assist.agent.hops.machines import Hops
    except ModuleNotFoundError as error:
        raise RefusedError(
            "this agent has no way to other machines",
            reason="no-such-door",
            advice="The customer installs it with: pip install 'remote-assist[hops]'",
        ) from error
    return Hops(
        session, who, prompt, home, str(settings.tls_ca_file or ""), certificate=str(settings.winrm_certificate or "")
    )
