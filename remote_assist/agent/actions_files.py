"""What stock clients do with files, as actions: one open file, one change of name, mode or existence.

Rule: paths, sizes and modes are in clear (PROTOCOL 5); what a symbolic link says is a path too, and the folders of a
consent hold for it as for any other.
"""

import posixpath

from remote_assist.agent.actions import Action
from remote_assist.agent.texts import say
from remote_assist.transport.file_wishes import Attributes, Opening

WRITE, READ = "files:write", "files:read"


def open_for_writing_action(path: bytes, how: Opening) -> Action:
    """One file open for writing; reading it back needs `files:read` too."""
    return Action(
        code="RA1202",
        scope=WRITE,
        what=say("what.read-write" if how.read else "what.write", path=path),
        touched=(path,),
        sizes={"mode": how.mode} if how.create else {},
        also=(READ,) if how.read else (),
    )


def rename_action(old: bytes, new: bytes) -> Action:
    """One new name."""
    return Action(code="RA1203", scope=WRITE, what=say("what.rename", path=old, new=new), touched=(old, new))


def remove_action(path: bytes) -> Action:
    """One file, link or pipe less."""
    return Action(code="RA1204", scope=WRITE, what=say("what.remove", path=path), touched=(path,))


def make_folder_action(path: bytes, mode: int) -> Action:
    """One folder more."""
    what = say("what.make-folder", path=path)
    return Action(code="RA1205", scope=WRITE, what=what, touched=(path,), sizes={"mode": mode})


def remove_folder_action(path: bytes) -> Action:
    """One empty folder less."""
    return Action(code="RA1206", scope=WRITE, what=say("what.remove-folder", path=path), touched=(path,))


def change_action(path: bytes, wanted: Attributes) -> Action:
    """Size, owner, mode or times of one file or folder."""
    sizes = {"size": wanted.size, "mode": wanted.mode}
    if wanted.owner is not None:
        sizes |= {"user": wanted.owner[0], "group": wanted.owner[1]}
    if wanted.times is not None:
        sizes["modified"] = max(0, int(wanted.times[1]))
    known = {name: value for name, value in sizes.items() if value is not None}
    return Action(code="RA1207", scope=WRITE, what=say("what.change", path=path), touched=(path,), sizes=known)


def link_action(path: bytes, target: bytes) -> Action:
    """A symbolic link at `path` that says `target`, or a second name of the file `target`."""
    aim = posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
    return Action(code="RA1208", scope=WRITE, what=say("what.link", path=path, target=target), touched=(path, aim))


def look_action(path: bytes) -> Action:
    """A look at a name: checked like an action, counted per channel."""
    return Action(code="RA1209", scope=READ, what=say("what.look", path=path), touched=(path,))
