"""What redaction looks for: one table of patterns with validators. Data of core/redaction.py.

Rule 1: `secret`, `key` and `token` are taken out always, the other classes only in the strict profile.
Rule 2: a pattern that is easy to hit by chance has a validator (Luhn, mod 97, a parsed address).
Every pattern is linear: no nested repetition over the same characters.
"""

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass

SECRET_CLASSES = frozenset({"key", "token", "secret"})
"""Taken out in every profile; a bundle that still holds one is not sent."""

RANK = {"key": 9, "token": 8, "secret": 7, "card": 6, "iban": 6, "id": 5, "mail": 4, "ip": 3, "mac": 3, "phone": 2}
"""Which class names a span when two detectors hit the same text; classes not listed rank 1."""


@dataclass(frozen=True, slots=True)
class Detector:
    """A class of personal or secret text. Group `s`, where there is one, is what is replaced.

    `gate`: lower-case pieces of which one must occur before the pattern is tried. `sure`: so specific that
    it is also looked for in structural fields and in the final sweep.
    """

    kind: str
    pattern: re.Pattern[str]
    gate: tuple[str, ...] = ()
    valid: Callable[[re.Match[str]], bool] | None = None
    sure: bool = False


_PLAIN_VALUES = frozenset({
    "yes", "no", "true", "false", "null", "none", "nil", "on", "off", "enabled", "disabled", "required",
    "optional", "set", "unset", "empty", "failed", "ok",
})  # fmt: skip
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
_DOMAINS = (
    "com|net|org|de|io|dev|eu|uk|fr|ch|at|nl|it|es|pl|pt|se|no|dk|fi|be|cz|ru|cn|jp|br|au|ca|us|info|biz"
    "|local|lan|internal|corp|home|intranet|localdomain|cloud|app|example|test|invalid"
)
_ANNOUNCING = (  # words that announce one
    r"passw(?:or)?d|passwort|kennwort|contrase[nñ]a|mot[ _]de[ _]passe|pwd|passphrase|passcode|secret|token"
    r"|api[_-]?key|access[_-]?key|private[_-]?key|account[_-]?key|signing[_-]?key|encryption[_-]?key|auth[_-]?key"
    r"|credentials?|key content|\bpsk|\bwpa_passphrase|client[_-]?secret|connection[_-]?key|licen[cs]e[_-]?key|\bpin"
)


def _assigned_secret(match: re.Match[str]) -> bool:
    key, value = match["k"].lower(), match["s"].strip("\"'")
    if value.lower() in _PLAIN_VALUES or len(value) < 2 or set(value) <= set("*x.<>-"):
        return False
    if key.endswith("tokens") or (key == "pwd" and value.startswith("/")):
        return False
    return not value.startswith(("<", "${", "{{", "%("))


def _host_address(match: re.Match[str]) -> bool:
    try:
        address = ipaddress.ip_address(match["s"].replace("-", ".") if "-" in match["s"] else match["s"].split("%")[0])
    except ValueError:
        return False
    if address.is_loopback or address.is_unspecified or address.is_multicast:
        return False
    if address.version == 6:
        return True
    first, last = int(address.packed[0]), int(address.packed[3])
    return first not in {0, 255} and last not in {0, 255}


def _hardware_address(match: re.Match[str]) -> bool:
    digits = re.sub(r"[^0-9a-f]", "", match[0].lower())
    return digits not in {"f" * 12, "0" * 12}


def _luhn(match: re.Match[str]) -> bool:
    digits = [int(each) for each in match["s"] if each.isdigit()]
    if not 13 <= len(digits) <= 19 or len(set(digits)) < 3:
        return False
    doubled = [sum(divmod(2 * each, 10)) for each in digits[-2::-2]]
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def _mod_97(match: re.Match[str]) -> bool:
    text = match["s"].replace(" ", "")
    if not 15 <= len(text) <= 34:
        return False
    return int("".join(str(int(each, 36)) for each in text[4:] + text[:4])) % 97 == 1


def _mail_address(match: re.Match[str]) -> bool:
    return match["s"].rpartition(".")[2].lower() not in _UNIT_ENDINGS


def _host_name(match: re.Match[str]) -> bool:
    return match["s"].partition(".")[0] not in _PACKAGE_ROOTS


def _person(match: re.Match[str]) -> bool:
    name = match["s"].strip("\"'<>(),").lower()
    return len(name) > 1 and name not in _COMMON_USERS and not name.isdigit()


def _domain_account(match: re.Match[str]) -> bool:
    name: str = match["s"].upper()
    return not name.startswith(("HKLM", "HKCU", "HKEY", "NT ", "BUILTIN", "DRIVER", "DEVICE"))


def _phone_number(match: re.Match[str]) -> bool:
    text: str = match["s"]
    return 8 <= sum(each.isdigit() for each in text) <= 15


def _make(
    kind: str,
    pattern: str,
    *,
    gate: str = "",
    valid: Callable[[re.Match[str]], bool] | None = None,
    sure: bool = False,
) -> Detector:
    return Detector(kind, re.compile(pattern, re.MULTILINE), tuple(gate.split("|")) if gate else (), valid, sure)


DETECTORS: tuple[Detector, ...] = (
    _make(
        "key",
        r"(?P<s>-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"
        r"(?:(?!-----END)[\s\S]){0,20000}(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----)?)",
        gate="private key",
        sure=True,
    ),
    _make("key", r"\b(?P<s>AGE-SECRET-KEY-1[0-9A-Z]{40,70})", gate="age-secret-key", sure=True),
    _make(
        "token",
        r"\b(?P<s>(?:AKIA|ASIA|AGPA|AIDA|AROA|ANPA)[A-Z0-9]{16})\b",
        gate="akia|asia|agpa|aida|aroa|anpa",
        sure=True,
    ),
    _make("token", r"\b(?P<s>eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*)", gate="eyj", sure=True),
    _make("token", r"\b(?P<s>gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,})", gate="gh|github_pat", sure=True),
    _make("token", r"\b(?P<s>xox[abeprs]-[A-Za-z0-9-]{10,})", gate="xox", sure=True),
    _make(
        "token",
        r"\b(?P<s>glpat-[\w-]{16,}|(?:sk|rk|pk)_(?:live|test)_\w{16,}|AIza[\w-]{35}|npm_\w{30,}|pypi-[\w-]{30,}"
        r"|hvs\.[\w-]{20,}|dop_v1_[0-9a-f]{40,}|SG\.[\w-]{16,}\.[\w-]{16,}|sk-[\w-]{24,})",
        gate="glpat|_live_|_test_|aiza|npm_|pypi-|hvs.|dop_v1|sg.|sk-",
        sure=True,
    ),
    _make("secret", r"\b[a-zA-Z][a-zA-Z0-9+.-]{0,20}://[^\s:/@]{0,128}:(?P<s>[^\s/@]{1,256})@", gate="://", sure=True),
    _make(
        "secret",
        r"(?i)\bauthorization[\"']?\s*[:=]\s*[\"']?"
        r"(?:bearer|basic|digest|negotiate|ntlm|token|apikey|key)?\s*(?P<s>[^\s\"',]{6,})",
        gate="authorization",
    ),
    _make("secret", r"(?i)\b(?:bearer|basic)\s+(?P<s>[\w.~+/=-]{12,})", gate="bearer|basic"),
    _make("secret", r"(?i)\bcookie[\"']?\s*[:=]\s*(?P<s>[^\r\n]+)", gate="cookie"),
    _make(
        "secret",
        rf"(?i)(?P<k>(?:{_ANNOUNCING})[\w.-]{{0,40}})[\"']?\s{{0,16}}(?:=>|[=:](?!//))\s{{0,16}}"
        r"(?P<s>\"[^\"\n]{1,512}\"|'[^'\n]{1,512}'|[^\s\"',;]{1,512})",
        gate="pass|pwd|secret|token|key|credential|psk|pin|kennwort|contrase|mot",
        valid=_assigned_secret,
    ),
    _make(
        "secret",
        r"(?i)\b(?:password|passwort|passphrase|kennwort)\s+(?:is|was|ist|set to|changed to|now)"
        r"\s*:?\s+[\"']?(?P<s>[^\s\"']{3,})",
        gate="pass|kennwort",
    ),
    _make(
        "secret",
        r"(?i)\B--?(?:password|passwd|pass|pw|token|secret|api-?key|auth|passphrase)(?:=|\s+)[\"']?(?P<s>[^\s\"'-][^\s\"']*)",
        gate="-pass|-pw|-token|-secret|-api|-auth",
    ),
    _make(
        "secret",
        r"\b(?:mysql\w*|mariadb\w*|sshpass|mongo\w*)\b[^\n]{0,200}?\s-p\s?(?P<s>[^\s\"'-][^\s\"']+)",
        gate="mysql|mariadb|sshpass|mongo",
    ),
    _make("secret", r"\b(?:curl|wget)\b[^\n]{0,200}?\s(?:-u|--user)[ =][^\s:]{1,64}:(?P<s>\S+)", gate="curl|wget"),
    _make("secret", r"(?P<s>\$(?:1|2[aby]?|5|6|7|y|gy|sha1|argon2\w{1,2})\$[^\s:]{6,})", gate="$", sure=True),
    _make("secret", r"\b(?P<s>[A-Z0-9]{5}(?:-[A-Z0-9]{5}){4})\b"),
    _make(
        "secret", r"(?i)\b(?:recovery|bitlocker)[\w ]{0,20}[:=]\s*(?P<s>\d{6}(?:-\d{6}){7})", gate="recovery|bitlocker"
    ),
    _make(
        "card",
        r"(?<![\d.:-])(?P<s>[3-6]\d{3}(?:[ -]?\d{4}){2}[ -]?\d{1,7}|3\d{3}[ -]?\d{6}[ -]?\d{5})(?![\d.:-])",
        valid=_luhn,
    ),
    _make("iban", r"\b(?P<s>[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?)\b", valid=_mod_97),
    _make("id", r"(?<![\d-])(?P<s>(?!000|666|9\d\d)\d{3}-(?!00)\d{2}-(?!0000)\d{4})(?![\d-])"),
    _make(
        "serial",
        r"(?i)\b(?:serial(?:[ _-]?(?:number|no\.?|num))?|asset[ _-]?tag|service[ _-]?tag)[\"']?"
        r"\s*[:=#]\s*[\"']?(?P<s>[^\s\"'][^\n\"',;]{2,80})",
        gate="serial|tag",
    ),
    _make(
        "serial",
        r"(?i)\b(?:uuid|guid|machine[ _-]?id|system[ _-]?id|device[ _-]?id)[\"']?"
        r"\s*[:=]\s*[\"']?(?P<s>[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}|[0-9a-f]{32})",
        gate="id",
    ),
    _make(
        "mail",
        r"(?<![\w.%+-])(?P<s>[\w.%+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){0,6}\.[A-Za-z]{2,24})\b",
        gate="@",
        valid=_mail_address,
    ),
    _make("ip", r"(?<![\w.-])(?P<s>\d{1,3}(?:\.\d{1,3}){3})(?![\w~+]|\.\d|-\d+[~+\w])", valid=_host_address),
    _make("ip", r"(?<=[A-Za-z]-)(?P<s>\d{1,3}(?:-\d{1,3}){3})(?![\d-])", gate="-", valid=_host_address),
    _make(
        "ip",
        r"(?<![\w:.])(?P<s>(?:[0-9A-Fa-f]{1,4}:|:(?=:)){1,7}(?::?[0-9A-Fa-f]{0,4}){0,7}(?:%\w{1,16})?)(?![\w:])",
        gate=":",
        valid=_host_address,
    ),
    _make(
        "mac",
        r"(?<![0-9A-Fa-f:-])(?P<s>[0-9A-Fa-f]{2}([:-])[0-9A-Fa-f]{2}(?:\2[0-9A-Fa-f]{2}){4})(?![:-]?[0-9A-Fa-f])",
        valid=_hardware_address,
    ),
    _make(
        "mac",
        r"(?<![\w.])(?P<s>[0-9a-fA-F]{4}\.[0-9a-fA-F]{4}\.[0-9a-fA-F]{4})(?![\w.])",
        gate=".",
        valid=_hardware_address,
    ),
    _make("phone", r"(?<![\w+])(?P<s>\+\d{1,3}(?:[ ./-]?\(?\d{2,5}\)?){2,5})(?!\w)", gate="+", valid=_phone_number),
    _make("phone", r"(?<!\w)(?P<s>\(\d{3}\) ?\d{3}[ -]\d{4})(?!\w)", gate="("),
    _make(
        "phone",
        r"(?i)\b(?:phone|tel|telefon|mobile|fax|call(?:back)?)\b[ .:]{1,4}(?P<s>[\d(][\d ()./-]{6,18}\d)",
        gate="phone|tel|mobile|fax|call",
        valid=_phone_number,
    ),
    _make(
        "host",
        rf"(?<![\w.@/-])(?P<s>(?:[a-z0-9][a-z0-9-]{{0,62}}\.){{2,8}}(?:{_DOMAINS}))(?![\w(-]|\.[a-zA-Z])",
        gate=".",
        valid=_host_name,
    ),
    _make(
        "host",
        r"(?i)\b(?:computer|host|netbios|machine|workstation|node)[ _-]?name[\"']?"
        r"(?:\s*[:=]|\s+to)\s*[\"']?(?P<s>[A-Za-z0-9][\w.-]{1,62})",
        gate="name",
    ),
    _make("user", r"(?<!\w)/(?:home|Users)/(?P<s>[^/\s:\"',;]{2,64})", gate="/home/|/users/", valid=_person),
    _make(
        "user",
        r"(?i)\b[a-z]:\\{1,2}(?:Users|Documents and Settings)\\{1,2}(?P<s>[^\\\s:\"',;]{2,64})",
        gate="\\users|\\documents",
        valid=_person,
    ),
    _make(
        "user",
        r"(?<![\w\\:.-])(?P<s>[A-Z][A-Z0-9-]{2,14}\\{1,2}[A-Za-z][\w.-]{1,40})(?![\w\\])",
        gate="\\",
        valid=_domain_account,
    ),
    _make(
        "user",
        r"(?i)\b(?:account[ _]?name|user(?:[ _-]?(?:name|id))?|login|logon|username)[\"']?"
        r"\s*[:=]\s*[\"']?(?P<s>[^\s\"',;]{2,64})",
        gate="name|user|login|logon",
        valid=_person,
    ),
    _make(
        "user",
        r"\b(?:for|by) (?:invalid )?user (?P<s>[A-Za-z][\w.-]{1,40})",
        gate=" user ",
        valid=_person,
    ),
)
