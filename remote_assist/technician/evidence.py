"""Bundles and what known issues say about them, on the technician's machine.

The catalog, its YAML and the rule engine are loaded only when findings or a fix are wanted: `run` must start fast.
"""

import contextlib
import functools
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from remote_assist.core.catalog.packs import PackTrust
from remote_assist.core.identity.certificates import ca_of
from remote_assist.core.log.opening import pack_trust_of
from remote_assist.core.requests import Collect, PlanFix
from remote_assist.errors import AssistError, ContentError, UsageError
from remote_assist.technician.home import Home, default_home
from remote_assist.technician.login import read_certificate_line
from remote_assist.transport.pack_folder import PackFolder

if TYPE_CHECKING:  # only names for types: both load the catalog or the rule engine
    from remote_assist.core.catalog.estimates import Estimate
    from remote_assist.core.catalog.model import Catalog
    from remote_assist.core.findings import Finding
    from remote_assist.core.watching.bundle_difference import Change
    from remote_assist.diagnostics.bundle import Bundle, Manifest


DEFAULT_BUNDLE = "first-look"


@dataclass(frozen=True, slots=True)
class BundlesCompared:
    """What changed, and what to know about the comparison."""

    changes: "tuple[Change, ...]"
    notes: tuple[str, ...]


@functools.cache
def catalog() -> "Catalog":
    """The shipped catalog and the packs installed here, read once a process."""
    from remote_assist.diagnostics.pack_catalog import stock

    home = Home(default_home(os.environ))
    return stock(PackFolder(home.path).installed(), pack_trust(home)).catalog


def pack_trust(home: Home) -> PackTrust:
    """Who may sign packs, by the lists of the last login; nobody where there was none."""
    try:
        ca_line = ca_of(read_certificate_line(Path(home.identity().certificate_file)))
        return pack_trust_of(home.lists(), ca_line)
    except AssistError:
        return PackTrust()


def collect_request(bundle: str, *, since_seconds: int = 0, seal_to: bytes = b"") -> Collect:
    """The request for a bundle of the catalog. Raises UsageError naming the nearest."""
    known = catalog().bundles
    if bundle not in known:
        raise UsageError(f"there is no bundle '{bundle}'{_nearest(bundle, list(known))}", advice=_choose(known))
    item = known[bundle]
    return Collect(
        bundle=item.id, version=item.version, digest=item.digest, since_seconds=since_seconds, seal_to=seal_to
    )


def plan_request(fix: str, parameters: dict[str, str]) -> PlanFix:
    """The request for the dry run of a fix of the catalog. Raises UsageError naming the nearest."""
    known = catalog().fixes
    if fix not in known:
        raise UsageError(f"there is no fix '{fix}'{_nearest(fix, list(known))}", advice=_choose(known))
    item = known[fix]
    return PlanFix(fix=item.id, version=item.version, digest=item.digest, parameters=parameters)


def default_bundle_name(session: str, bundle: str, now: datetime) -> str:
    """A file name for a bundle nobody named."""
    return f"{session}-{bundle}-{now:%Y%m%dT%H%M%SZ}.tar.zst"


def evaluate_bundle(path: Path, key: bytes = b"") -> "list[Finding]":
    """What the known issues say about a bundle file, gravest first; what passed or was skipped comes last.

    Raises UsageError (no file), RemoteProtocolError (not a bundle), VerificationError (not what its manifest says).
    """
    return _judged(_read(path, key))


def expected_bundle(bundle: str, last: Path) -> "Estimate":
    """How long a bundle will take and how large it will be, from the `last` one of the machine where it can be read.

    Raises UsageError for a bundle there is not.
    """
    from remote_assist.core.catalog.estimates import estimate

    collect_request(bundle)
    earlier: dict[str, tuple[float, int]] = {}
    with contextlib.suppress(AssistError):
        items = _read(last).manifest.items
        earlier = {item.collector: (item.seconds, item.size + sum(text.size for text in item.texts)) for item in items}
    return estimate(catalog().bundles[bundle], catalog().collectors, earlier)


def compare_bundles(before: Path, after: Path, key: bytes = b"") -> "BundlesCompared":
    """What changed from one bundle file to another, findings included. Raises as `evaluate_bundle`."""
    from remote_assist.core.watching.bundle_difference import changes_between, findings_between

    old, new = _read(before, key), _read(after, key)
    changes = changes_between(old.facts, new.facts) + findings_between(_judged(old), _judged(new))
    return BundlesCompared(tuple(changes), tuple(_notes(old.manifest, new.manifest)))


def _judged(bundle: "Bundle") -> "list[Finding]":
    from remote_assist.core.findings import evaluate

    return evaluate(
        catalog(),
        bundle.facts,
        statuses=bundle.statuses,
        digests=bundle.digests,
        platform=bundle.manifest.platform,
        all_outcomes=True,
    )


def _notes(old: "Manifest", new: "Manifest") -> Iterator[str]:
    """What a reader should know before believing a difference."""
    if old.platform != new.platform:
        yield f"these are two different machines: {old.platform[:20]} and {new.platform[:20]}"
    if old.started > new.started:
        yield "the first bundle is the newer one"
    for which, manifest in (("first", old), ("second", new)):
        if manifest.status != "complete":
            yield f"the {which} bundle is {manifest.status[:20]}"


def facts_of(path: Path) -> dict[str, Any]:
    """What a bundle file holds, by collector. Raises as `evaluate_bundle`."""
    return dict(_read(path).facts)


def texts_of(path: Path) -> dict[str, str]:
    """The texts of a bundle file by name (`journal.txt`). Raises as `evaluate_bundle`."""
    return {name.removeprefix("texts/"): text for name, text in _read(path).texts.items()}


def parameters_for(fix: str, findings: "Sequence[Finding]", chosen: Mapping[str, str] | None = None) -> dict[str, str]:
    """The parameters the findings give a fix, of those that agree with what was `chosen`.

    Raises UsageError when they give several different ones.
    """
    offered = [
        dict(finding.parameters)
        for finding in findings
        if finding.fix == fix and all(str(finding.parameters.get(k, v)) == v for k, v in (chosen or {}).items())
    ]
    different = [one for index, one in enumerate(offered) if one not in offered[:index]]
    if len(different) > 1:
        shown = "; ".join(" ".join(f"{key}={value}" for key, value in one.items()) for one in different)
        raise UsageError(f"several findings offer {fix}: {shown}", advice="Choose with --set KEY=VALUE.")
    return {key: str(value) for key, value in different[0].items()} if different else {}


def copy_bundle(source: Path, target: Path) -> None:
    """A copy of a bundle for the technician, appearing whole. Raises ContentError when it cannot be written."""
    beside = target.with_name(f".{target.name}.new")
    try:
        shutil.copyfile(source, beside)
        beside.chmod(0o600)
        beside.replace(target)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise ContentError(f"{target} cannot be written: {error.strerror}") from error


def _read(path: Path, key: bytes = b"") -> "Bundle":
    from remote_assist.diagnostics.bundle import read_bundle

    if not path.is_file():
        raise UsageError(f"there is no bundle {path}", advice="A SESSION looks like s-k3vq2m7x4nbdw6zu.")
    return read_bundle(path, key=key)


def _nearest(name: str, known: Sequence[str]) -> str:
    import difflib

    near = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean '{near[0]}'?" if near else ""


def _choose(known: object) -> str:
    assert isinstance(known, dict)
    return f"There are: {', '.join(sorted(known))}." if known else "The catalog is empty."
