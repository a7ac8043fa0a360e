"""Second looks at what a pattern hit: checksums, parsed addresses, words that are no secret."""

import functools
import ipaddress
import re

_PLAIN_VALUES = frozenset({
    "yes", "no", "true", "false", "null", "none", "nil", "on", "off", "enabled", "disabled", "required",
    "optional", "set", "unset", "empty", "failed", "ok",
})  # fmt: skip
_PLACEHOLDER = re.compile(r"[\[(<{*]+[\w ]*[\])>}*]+")
"""`[hidden]`, `(redacted)`, `***`: somebody has already taken it out."""

_COMMON_USERS = frozenset({
    "root", "system", "nobody", "daemon", "public", "default", "shared", "admin", "administrator", "www-data",
    "all", "users", "user", "guest",
})  # fmt: skip
_UNIT_ENDINGS = frozenset(
    ["service", "socket", "timer", "target", "mount", "slice", "scope", "device", "path", "swap", "automount"]
)
_PACKAGE_ROOTS = frozenset(
    ["com", "org", "net", "io", "java", "javax", "jdk", "sun", "edu", "gov", "android", "kotlin", "scala"]
)


def assigned_secret(match: re.Match[str]) -> bool:
    key, value = match["k"].lower(), match["s"].strip("\"'")
    if not _is_secret(value):
        return False
    if key.endswith("tokens") or (key == "pwd" and value.startswith("/")):
        return False
    return not value.startswith(("<", "${", "{{", "%("))


def argument_secret(match: re.Match[str]) -> bool:
    """What follows a word that announces a secret is one, and no placeholder."""
    return _is_secret(match["s"].strip("\"'"))


def _is_secret(value: str) -> bool:
    if value.lower() in _PLAIN_VALUES or len(value) < 2 or set(value) <= set("*x.<>-"):
        return False
    return not _PLACEHOLDER.fullmatch(value)


def host_address(match: re.Match[str]) -> bool:
    return _is_host_address(match["s"])


@functools.lru_cache(maxsize=4096)
def _is_host_address(text: str) -> bool:
    try:
        address = ipaddress.ip_address(text.replace("-", ".") if "-" in text else text.split("%")[0])
    except ValueError:
        return False
    if address.is_loopback or address.is_unspecified or address.is_multicast:
        return False
    if address.version == 6:
        return True
    first, last = int(address.packed[0]), int(address.packed[3])
    return first not in {0, 255} and last not in {0, 255}


def lone_address(match: re.Match[str]) -> bool:
    """As `host_address`, and no part of a longer word. (A look behind in the pattern makes it much slower.)"""
    before = match.string[match.start() - 1 : match.start()]
    return not (before.isalnum() or before in {"_", ".", "-"}) and host_address(match)


def hardware_address(match: re.Match[str]) -> bool:
    digits = re.sub(r"[^0-9a-f]", "", match[0].lower())
    return digits not in {"f" * 12, "0" * 12}


def luhn(match: re.Match[str]) -> bool:
    digits = [int(each) for each in match["s"] if each.isdigit()]
    if not 13 <= len(digits) <= 19 or len(set(digits)) < 3:
        return False
    doubled = [sum(divmod(2 * each, 10)) for each in digits[-2::-2]]
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def mod_97(match: re.Match[str]) -> bool:
    text = match["s"].replace(" ", "")
    if not 15 <= len(text) <= 34:
        return False
    return int("".join(str(int(each, 36)) for each in text[4:] + text[:4])) % 97 == 1


def mail_address(match: re.Match[str]) -> bool:
    return match["s"].rpartition(".")[2].lower() not in _UNIT_ENDINGS


def host_name(match: re.Match[str]) -> bool:
    return match["s"].partition(".")[0] not in _PACKAGE_ROOTS


def person(match: re.Match[str]) -> bool:
    name = match["s"].strip("\"'<>(),").lower()
    return len(name) > 1 and name not in _COMMON_USERS and not name.isdigit()


def login_name(match: re.Match[str]) -> bool:
    """As `person`, but `login:auth)` is a service of PAM and `login: command not found` a program."""
    if match["k"].lower() in {"login", "logon"} and ")" in match["s"]:
        return False
    return person(match)


def domain_account(match: re.Match[str]) -> bool:
    name: str = match["s"].upper()
    return not name.startswith(("HKLM", "HKCU", "HKEY", "NT ", "BUILTIN", "DRIVER", "DEVICE"))


def phone_number(match: re.Match[str]) -> bool:
    text: str = match["s"]
    return 8 <= sum(each.isdigit() for each in text) <= 15
