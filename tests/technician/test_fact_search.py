"""A word in the facts, found by name or value, answered as a pointer that leads there."""

from remote_assist.technician.fact_search import search_facts

FACTS = {
    "services": {"nginx.service": {"state": "failed", "tags": ["web", "A/B~C"]}},
    "listening_ports": [{"port": 80, "name": "apache2"}, {"port": 443, "name": "nginx"}],
    "note": "Nginx rules",
}


def places(word: str) -> list[tuple[str, str]]:
    return [(hit.collector, hit.pointer) for hit in search_facts(FACTS, word)]


def test_values_and_names_are_found_whatever_their_case() -> None:
    assert places("apache2") == [("listening_ports", "/0/name")]
    assert places("nginx") == [("listening_ports", "/1/name"), ("note", "")]
    assert places("state") == [("services", "/nginx.service/state")]
    assert places("80") == [("listening_ports", "/0/port")]


def test_capitals_must_match_and_nothing_finds_nothing() -> None:
    assert places("Nginx") == [("note", "")]
    assert places("NGINX") == places("") == []


def test_strange_names_are_escaped_as_json_pointers() -> None:
    odd = {"c": {"a/b": {"x~y": "needle"}}}
    assert search_facts(odd, "needle")[0].pointer == "/a~1b/x~0y"


def test_a_flood_of_hits_is_cut() -> None:
    assert len(search_facts({"c": ["x"] * 10_000}, "x", limit=7)) == 7
