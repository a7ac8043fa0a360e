"""Packs installed on this machine, the customer's or the technician's.

    HOME/packs/ID.pack       as signed
    HOME/packs/pins.json     {ID: {"version": 3, "digest": …}}: exactly that pack counts, an older one never again

Rule 1: installing is a local act. Nothing that comes over a session is put here.
Rule 2: what lies here is not believed: signature, pin and revocation are checked whenever it is used.
"""

from pathlib import Path

import msgspec

from remote_assist.core.catalog.packs import MAX_PACK_BYTES, InstalledPack, OpenedPack, Pin, check_newer
from remote_assist.errors import AssistError, ContentError, RefusedError
from remote_assist.transport.private_files import make_private_folder, read_private, write_private

MAX_PACKS = 50
PINS = "pins.json"


class PackFolder:
    """The folder `packs` of a state folder. Nothing is made until a pack is installed."""

    def __init__(self, home: Path) -> None:
        self._folder = home / "packs"

    def put(self, opened: OpenedPack, raw: bytes) -> None:
        """Put a pack here and pin it. Raises RefusedError for one that is older than what was here."""
        pins = self._pins()
        check_newer(opened, pins.get(opened.pack.id))
        if len(pins) >= MAX_PACKS and opened.pack.id not in pins:
            raise RefusedError(f"at most {MAX_PACKS} packs are kept", reason="too-many")
        make_private_folder(self._folder.parent)
        make_private_folder(self._folder)
        write_private(self._file(opened.pack.id), raw)
        pins[opened.pack.id] = Pin(version=opened.pack.version, digest=opened.digest)
        write_private(self._folder / PINS, msgspec.json.encode(pins))

    def remove(self, pack_id: str) -> None:
        """Take a pack away; its pin stays, so that an older version cannot come back."""
        file = self._file(pack_id)
        if pack_id not in self._pins() or not file.exists():
            raise RefusedError(f"there is no pack '{pack_id[:40]}' here", reason="no-such-pack")
        file.unlink()

    def installed(self) -> list[InstalledPack]:
        """Every pack here with its pin, by name. A file that cannot be read is `raw` None and says why."""
        found = []
        for name, pin in sorted(self._pins().items())[:MAX_PACKS]:
            try:
                found.append(InstalledPack(name, pin, read_private(self._file(name), MAX_PACK_BYTES)))
            except FileNotFoundError:
                continue
            except AssistError as error:
                found.append(InstalledPack(name, pin, None, error.message))
        return found

    def _file(self, name: str) -> Path:
        return self._folder / f"{name}.pack"

    def _pins(self) -> dict[str, Pin]:
        try:
            raw = read_private(self._folder / PINS)
        except FileNotFoundError:
            return {}
        try:
            return msgspec.json.decode(raw, type=dict[str, Pin])
        except msgspec.DecodeError as error:
            raise ContentError(f"{self._folder / PINS} is damaged: {error}") from error
