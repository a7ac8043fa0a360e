"""What changed between two looks at a machine."""

from remote_assist.core.findings import Finding
from remote_assist.core.watching.bundle_difference import MAX_CHANGES, Change, changes_between, findings_between


def packages(**versions: str) -> dict[str, object]:
    return {"packages": [{"name": name, "version": version} for name, version in versions.items()]}


def told(changes: list[Change]) -> list[tuple[str, str, str, str]]:
    return [(each.change, each.name, each.before, each.after) for each in changes]


def test_rows_are_compared_by_name_whatever_their_order() -> None:
    assert told(changes_between(packages(a="1", b="1", c="1"), packages(c="1", b="2", d="9"))) == [
        ("removed", "a", "1", ""),
        ("changed", "b", "1", "2"),
        ("added", "d", "", "9"),
    ]
    assert changes_between(packages(a="1", b="1"), packages(b="1", a="1")) == []


def test_a_port_is_its_protocol_address_and_number() -> None:
    before = {"listening_ports": [{"protocol": "tcp", "address": "*", "port": 80, "process": "apache2"}]}
    after = {"listening_ports": [{"protocol": "tcp", "address": "*", "port": 80, "process": "nginx"}]}
    assert told(changes_between(before, after)) == [("changed", "tcp * 80", "apache2", "nginx")]


def test_two_rows_of_one_name_count_together() -> None:
    twice = {"packages": [{"name": "libc6", "version": "1"}, {"name": "libc6", "version": "2"}]}
    assert told(changes_between(twice, packages(libc6="2"))) == [("changed", "libc6", "1, 2", "2")]


def test_what_only_one_bundle_looked_at_is_unknown() -> None:
    assert told(changes_between({}, packages(a="1"))) == [("unknown", "", "not in the first bundle", "")]
    assert told(changes_between(packages(a="1"), {})) == [("unknown", "", "not in the second bundle", "")]
    assert changes_between({}, {}) == []


def test_odd_rows_and_very_many_are_bounded() -> None:
    odd = {"packages": ["x", {"name": {"deep": 1}}, {"name": ["b", "a"]}, {}]}
    assert len(changes_between(odd, {"packages": "text"})) == 2
    assert len(changes_between(packages(), packages(**{f"p{n}": "1" for n in range(3 * MAX_CHANGES)}))) == MAX_CHANGES


def finding(outcome: str, subject: str) -> Finding:
    return Finding(
        issue="linux.disk.full", version=1, digest="d", title="t", severity="high", category="disk",
        outcome=outcome, subject=subject, message=f"{subject} is",
    )  # fmt: skip


def test_findings_that_appeared_and_went() -> None:
    before = [finding("fail", "/"), finding("warn", "/srv"), finding("pass", "/var")]
    after = [finding("fail", "/"), finding("pass", "/srv"), finding("fail", "/var")]
    assert told(findings_between(before, after)) == [
        ("removed", "linux.disk.full//srv", "warn: /srv is", ""),
        ("added", "linux.disk.full//var", "", "fail: /var is"),
    ]
