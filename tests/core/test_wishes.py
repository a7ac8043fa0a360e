"""Wishes: one spelling each, nothing a resolver or a screen could read in two ways, and the narrower of two wins."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remote_assist.core.wishes import Endpoint, common, in_order, parse_endpoint, parse_hop, parse_wish, parse_wishes
from remote_assist.errors import ContentError

GOOD = {
    "diagnose": "diagnose",
    "files:read": "files:read",
    "files:read=/var//log/./": "files:read=/var/log",
    "files:write=/": "files:write=/",
    "forward=DB.Example.com.:5432": "forward=db.example.com:5432",
    "forward=127.0.0.1:5900": "forward=127.0.0.1:5900",
    "forward=[::1]:5900": "forward=[::1]:5900",
    "forward=[2001:DB8:0::1]:22": "forward=[2001:db8::1]:22",
    "hop=ssh://root@db.example.com": "hop=ssh://root@db.example.com",
    "hop=ssh://root@db.example.com:22": "hop=ssh://root@db.example.com",
    "hop=ssh://root@[2001:db8::1]:2222": "hop=ssh://root@[2001:db8::1]:2222",
    "hop=winrm://EXAMPLE\\admin@win.example.com": "hop=winrm://EXAMPLE\\admin@win.example.com",
    "hop=winrm://admin@example.com@win.example.com:5986": "hop=winrm://admin@example.com@win.example.com",
}

BAD = (
    "",
    "everything",
    "forward",
    "hop",
    "forward=",
    "diagnose=/tmp",
    "files:read=var/log",
    "files:read=/var/../etc",
    "files:read=/var,/etc",
    "forward=db.example.com",
    "forward=db.example.com:0",
    "forward=db.example.com:65536",
    "forward=db.example.com:http",
    "forward=127.1:80",
    "forward=0x7f000001:80",
    "forward=2130706433:80",
    "forward=-db.example.com:80",
    "forward=db example.com:80",
    "forward=d\u0432.example.com:80",
    "forward=[db.example.com]:80",
    "hop=db.example.com",
    "hop=ssh://db.example.com",
    "hop=telnet://root@db.example.com",
    "hop=ssh://-oProxyCommand=x;@db.example.com",
    "forward=" + "a." * 300 + "com:80",
)


@pytest.mark.parametrize(("typed", "spelled"), GOOD.items())
def test_a_wish_has_one_spelling(typed: str, spelled: str) -> None:
    assert str(parse_wish(typed)) == spelled
    assert str(parse_wish(spelled)) == spelled


@pytest.mark.parametrize("typed", BAD)
def test_what_could_be_read_in_two_ways_is_no_wish(typed: str) -> None:
    with pytest.raises(ContentError):
        parse_wish(typed)


@given(st.text(max_size=80))
def test_any_text_is_a_wish_of_one_spelling_or_refused(typed: str) -> None:
    for text in (typed, f"forward={typed}", f"hop={typed}", f"files:read={typed}"):
        try:
            spelled = str(parse_wish(text))
        except ContentError:
            continue
        assert spelled.isascii()
        assert spelled.isprintable()
        assert str(parse_wish(spelled)) == spelled


def test_a_list_keeps_its_order_and_says_each_once() -> None:
    assert parse_wishes("fix, diagnose,fix") == ("fix", "diagnose")
    with pytest.raises(ContentError, match="no scope was named"):
        parse_wishes(" , ")


def test_screens_show_wishes_in_the_order_of_scopes() -> None:
    wishes = ("forward=b.example.com:2", "fix", "forward=a.example.com:1", "diagnose", "fix")
    assert in_order(wishes) == ("diagnose", "fix", "forward=b.example.com:2", "forward=a.example.com:1")


@pytest.mark.parametrize(
    ("asked", "allowed", "both"),
    [
        (("fix", "terminal"), ("fix",), ("fix",)),
        (("files:read=/var/log",), ("files:read",), ("files:read=/var/log",)),
        (("files:read",), ("files:read=/var/log",), ("files:read=/var/log",)),
        (("files:read=/var",), ("files:read=/var/log",), ("files:read=/var/log",)),
        (("files:read=/",), ("files:read=/var/log",), ("files:read=/var/log",)),
        (("files:read=/var/logs",), ("files:read=/var/log",), ()),
        (("forward=a.example.com:1",), ("forward=a.example.com:2",), ()),
        (("forward=a.example.com:1",), ("forward=a.example.com:1",), ("forward=a.example.com:1",)),
        (("forward=a.example.com:1",), ("forward",), ()),
        (("nothing",), ("nothing",), ()),
    ],
)
def test_what_is_asked_and_allowed_is_the_narrower_of_both(
    asked: tuple[str, ...], allowed: tuple[str, ...], both: tuple[str, ...]
) -> None:
    assert common(asked, allowed) == both


def test_endpoints_and_hops_are_read_apart() -> None:
    assert parse_endpoint("[::1]:22") == Endpoint("::1", 22)
    place = parse_hop("ssh://root@db.example.com:2222")
    assert (place.kind, place.user, place.endpoint) == ("ssh", "root", Endpoint("db.example.com", 2222))
