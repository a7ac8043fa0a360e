"""Whose files an action means: this computer's, or those of a machine behind it."""

from remote_assist.agent.files.here import FilesHere
from remote_assist.agent.files.machine_files import MachineFiles
from remote_assist.agent.machine import Machine
from remote_assist.transport.local_target import LocalTarget


def files_of(machine: Machine) -> MachineFiles:
    """This computer's own, or those of a machine behind it. Raises RefusedError where files are not moved."""
    if isinstance(machine.target, LocalTarget):
        return FilesHere(machine.files)
    from remote_assist.agent.files.there import FilesThere  # only where a machine was reached: it loads paramiko

    return FilesThere(machine.target)
