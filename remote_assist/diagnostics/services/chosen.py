"""Who keeps the services of this machine: systemd, init scripts, a folder of unit files, or another system's own.

Rule: it follows from the machine and the agent's own settings, never from a technician.
"""

from remote_assist.diagnostics.look import Look
from remote_assist.diagnostics.services.folder import FolderServices
from remote_assist.diagnostics.services.others import Launchd, WindowsServices
from remote_assist.diagnostics.services.systems import InitScripts, Systemd
from remote_assist.diagnostics.services.unit import ServiceBackend


async def service_backend(look: Look) -> ServiceBackend | None:
    """The backend of this machine, or None where nothing keeps services."""
    return await look.once("service-backend", _choose)


async def _choose(look: Look) -> ServiceBackend | None:
    if look.services_folder:
        return FolderServices(look, look.services_folder)
    if look.target.platform == "windows":
        return WindowsServices(look)
    if look.target.platform == "macos":
        return Launchd(look)
    if await look.exists("/run/systemd/system"):
        return Systemd(look)
    if await look.exists("/etc/init.d"):
        return InitScripts(look)
    return None
