"""Every row of docs/collectors.md is a collector, on every system, and says honestly where it was run."""

import re
from pathlib import Path

from remote_assist.core.catalog.model import PLATFORMS, SENSITIVITIES, Catalog
from remote_assist.diagnostics.builtins import BUILTINS
from remote_assist.diagnostics.never_collect import forbidden_in

PAGE = Path(__file__).parent.parent.parent / "docs" / "collectors.md"
LINUX_ALONE = {"pressure", "log_events"}


def rows() -> list[tuple[set[str], tuple[str, ...]]]:
    """(collectors, status on each system) of each row."""
    found = re.findall(r"(?m)^\| \d+ \| [^|]+ \| ([^|]+) \| (\w+) \| (\w+) \| (\w+) \|$", PAGE.read_text())
    return [(set(re.findall(r"`(\w+)`", names)), tuple(states)) for names, *states in found]


def test_all_44_rows_have_collectors_on_all_systems(catalog: Catalog) -> None:
    assert len(rows()) == 44
    for names, states in rows():
        assert names
        for platform, state in zip(PLATFORMS, states, strict=True):
            for name in names - (LINUX_ALONE if platform != "linux" else set()):
                (each,) = [one for one in catalog.collectors[name].implementations if one.platform == platform]
                assert each.unverified == (state == "unverified"), f"{name} on {platform}"
                assert not each.builtin or (platform, each.builtin) in BUILTINS


def test_what_was_never_run_says_so_and_linux_is_run(catalog: Catalog) -> None:
    for collector in catalog.collectors.values():
        for each in collector.implementations:
            assert each.unverified == (each.platform != "linux") or each.builtin == "trend", collector.id


def test_every_collector_has_a_class_typed_fields_and_nothing_forbidden(catalog: Catalog) -> None:
    for collector in catalog.collectors.values():
        assert collector.sensitivity in SENSITIVITIES
        assert bool(collector.rows) != bool(collector.fields), collector.id
        assert forbidden_in(collector) == "", collector.id


def test_names_of_people_and_serial_numbers_are_personal_in_every_collector(catalog: Catalog) -> None:
    for collector in catalog.collectors.values():
        for name, spec in {**collector.rows, **collector.fields}.items():
            if name in {"serial", "mac", "hostname", "origin"} or (name in {"user"} and collector.id == "browsers"):
                assert (spec.sensitivity or collector.sensitivity) == "pii", f"{collector.id}.{name}"
