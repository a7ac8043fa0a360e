"""The shipped catalog with the packs that count.

Rule: a pack that is refused costs its own items only, and why is said.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from remote_assist.core.catalog.model import Catalog
from remote_assist.core.catalog.packs import InstalledPack, OpenedPack, PackTrust, foreign_items
from remote_assist.diagnostics.catalog_loader import Reading, read_catalog, read_texts, shipped_folder
from remote_assist.diagnostics.never_collect import forbidden_in
from remote_assist.errors import AssistError, ContentError


@dataclass(frozen=True, slots=True)
class Shelved:
    """An installed pack as it stands. `why_not` is empty for one that counts."""

    id: str
    version: int
    digest: str
    signer: str
    why_not: str = ""


@dataclass(frozen=True, slots=True)
class Stocked:
    """The shipped catalog with the packs that count, and every pack with how it stands."""

    catalog: Catalog
    packs: tuple[Shelved, ...]


def stock(installed: Sequence[InstalledPack], trust: PackTrust) -> Stocked:
    """The catalog that counts now. Raises ContentError when the shipped files are damaged."""
    reading = read_catalog([shipped_folder()])
    if reading.problems:
        raise ContentError(str(reading.problems[0]))
    packs = tuple(_stand(each, trust, reading) for each in installed)
    return Stocked(reading.catalog, packs)


def check_pack(opened: OpenedPack) -> None:
    """Raise ContentError when a pack's items cannot be used beside the shipped ones."""
    if fault := add_pack(read_catalog([shipped_folder()]), opened):
        raise ContentError(f"the pack {opened.pack.id} is refused: {fault}")


def add_pack(reading: Reading, opened: OpenedPack) -> str:
    """Add a pack's items to a catalog, all or none. Answers why none, or empty."""
    added = read_texts({f"{opened.pack.id}/{name}": text.encode() for name, text in opened.pack.files.items()})
    if fault := _fault(added, opened.pack.id):
        return fault
    reading.catalog.collectors.update(added.catalog.collectors)
    reading.catalog.bundles.update(added.catalog.bundles)
    reading.catalog.issues.update(added.catalog.issues)
    reading.catalog.fixes.update(added.catalog.fixes)
    reading.documents.update(added.documents)
    return ""


def _stand(installed: InstalledPack, trust: PackTrust, reading: Reading) -> Shelved:
    signer, why_not = "", ""
    try:
        opened = installed.opened()
        signer = opened.check(trust)
        why_not = add_pack(reading, opened)
    except AssistError as error:
        why_not = error.message
    return Shelved(installed.id, installed.pin.version, installed.pin.digest, signer, why_not)


def _fault(added: Reading, pack_id: str) -> str:
    if added.problems:
        return str(added.problems[0])
    names: dict[str, list[str]] = {}
    for kind, item in added.documents:
        names.setdefault(kind, []).append(item)
    if foreign := foreign_items(pack_id, names):
        return f"its item '{foreign[0]}' does not carry the pack's name"
    for collector in added.catalog.collectors.values():
        if forbidden := forbidden_in(collector):
            return f"its collector '{collector.id}': {forbidden}"
    return ""
