"""Personal data: taken out in the strict profile, and mapped on the customer's own machine."""

from remote_assist.core.detect.detector import Detector, detector
from remote_assist.core.detect.validators import (
    domain_account,
    hardware_address,
    host_address,
    host_name,
    login_name,
    lone_address,
    luhn,
    mail_address,
    mod_97,
    person,
    phone_number,
)

_DOMAINS = (
    "com|net|org|de|io|dev|eu|uk|fr|ch|at|nl|it|es|pl|pt|se|no|dk|fi|be|cz|ru|cn|jp|br|au|ca|us|info|biz"
    "|local|lan|internal|corp|home|intranet|localdomain|cloud|app|example|test|invalid"
)
_DOMAIN_END = rf"\.(?:{_DOMAINS})(?![\w(-]|\.[a-zA-Z])"
_NAMING = ("computer", "host", "machine", "workstation", "node")
_NAMED = "|".join(["netbios", *(f"{each}{joint}name" for each in _NAMING for joint in ("", " ", "_", "-"))])
_HARDWARE_DASHED = "hh-hh-hh-hh-hh-hh"

PERSONAL: tuple[Detector, ...] = (
    detector(
        "card",
        r"(?<![\d.:-])(?P<s>[3-6]\d{3}(?:[ -]?\d{4}){2}[ -]?\d{1,7}|3\d{3}[ -]?\d{6}[ -]?\d{5})(?![\d.:-])",
        shapes="00000000|0000 0000|0000-0000",
        starts=True,
        valid=luhn,
    ),
    detector(
        "iban",
        r"\b(?P<s>[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?)\b",
        shapes="AA00",
        starts=True,
        valid=mod_97,
    ),
    detector(
        "id",
        r"(?<![\d-])(?P<s>(?!000|666|9\d\d)\d{3}-(?!00)\d{2}-(?!0000)\d{4})(?![\d-])",
        shapes="000-00-0000",
        starts=True,
    ),
    detector(
        "serial",
        r"(?i)\b(?:serial(?:[ _-]?(?:number|no\.?|num))?|S/N|asset[ _-]?tag|service[ _-]?tag)[\"']?"
        r"\s*[:=#]\s*[\"']?(?P<s>[^\s\"',;][^\n\"',;]{2,80})",
        words="serial|asset tag|asset_tag|asset-tag|assettag|service tag|service_tag|service-tag|servicetag|s/n",
        starts=True,
    ),
    detector(
        "serial",
        r"(?i)\b(?:uuid|guid|machine[ _-]?id|system[ _-]?id|device[ _-]?id)[\"']?"
        r"[\s:=]{1,16}[\"']?(?P<s>[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}|[0-9a-f]{32})",
        hexes="hhhhhhhh-hhhh-hhhh-hhhh-hhhhhhhhhhhh|hhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhh",
    ),
    detector(
        "mail",
        r"(?P<s>[\w.%+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){0,6}\.[A-Za-z]{2,24})\b",
        words="@",
        valid=mail_address,
    ),
    detector(
        "ip",
        r"(?P<s>\d{1,3}(?:\.\d{1,3}){3})(?![\w~+]|\.\d|-\d+[~+\w])",
        shapes="0.0",
        valid=lone_address,
    ),
    detector(
        "ip",
        r"(?<=[A-Za-z]-)(?P<s>\d{1,3}(?:-\d{1,3}){3})(?![\d-])",
        shapes="0-0",
        valid=host_address,
    ),
    detector(
        "ip",
        r"(?<![\w:.])(?P<s>(?:[0-9A-Fa-f]{1,4}:|:(?=:)){1,7}(?::?[0-9A-Fa-f]{0,4}){0,7}(?:%\w{1,16})?)(?![\w:])",
        hexes="::|:h:|:hhh:|:hhhh:|:hh:hh:hh:hh:hh:hh:",
        valid=host_address,
    ),
    detector(
        "mac",
        r"(?<![0-9A-Fa-f:-])(?P<s>[0-9A-Fa-f]{2}([:-])[0-9A-Fa-f]{2}(?:\2[0-9A-Fa-f]{2}){4})(?![:-]?[0-9A-Fa-f])",
        hexes=f"hh:hh:hh:hh:hh:hh|{_HARDWARE_DASHED}",
        valid=hardware_address,
    ),
    detector(
        "mac",
        r"(?<![0-9A-Fa-f:-])01-(?P<s>[0-9A-Fa-f]{2}(?:-[0-9A-Fa-f]{2}){5})(?![:-]?[0-9A-Fa-f])",
        hexes=_HARDWARE_DASHED,
    ),
    detector(
        "mac",
        r"(?<![\w.])(?P<s>[0-9a-fA-F]{4}\.[0-9a-fA-F]{4}\.[0-9a-fA-F]{4})(?![\w.])",
        hexes="hhhh.hhhh.hhhh",
        valid=hardware_address,
    ),
    detector(
        "mac",
        r"(?i)\b(?:node|mac|hwaddr|ether|bssid|station)[ _]?(?:addr(?:ess)?)?[ :=]{1,4}(?P<s>[0-9a-f]{12})\b",
        hexes="hhhhhhhhhhhh",
        valid=hardware_address,
    ),
    detector(
        "phone",
        r"(?<![\w+])(?P<s>\+\d{1,3}(?:[ ./-]?\(?\d{1,5}\)?){2,5})(?!\w)",
        shapes="+0",
        starts=True,
        valid=phone_number,
    ),
    detector(
        "phone",
        r"(?<![\w.:-])(?P<s>00[1-9]\d{0,2}(?:[ /-]\d{1,5}){1,4} ?\d{2,8})(?![\w.:])",
        words="00",
        starts=True,
        valid=phone_number,
    ),
    detector("phone", r"(?<!\w)(?P<s>\(\d{3}\) ?\d{3}[ -]\d{4})(?!\w)", shapes="(000)", starts=True),
    detector("phone", r"(?<![\w.:-])(?P<s>[2-9]\d\d-[2-9]\d\d-\d{4})(?![\w.:-])", shapes="000-000-0000", starts=True),
    detector(
        "phone",
        r"(?i)\b(?:phone|tel|telefon|mobile|fax|call(?:back)?)\b[ .:]{1,4}(?P<s>[\d(][\d ()./-]{6,18}\d)",
        words="phone|tel|mobile|fax|call",
        starts=True,
        valid=phone_number,
    ),
    detector(
        "host",
        rf"(?<![\w.@/-])(?P<s>(?:[a-z0-9][a-z0-9-]{{0,62}}\.){{1,7}}[a-z0-9][a-z0-9-]{{0,62}}{_DOMAIN_END})",
        clue=_DOMAIN_END,
        valid=host_name,
    ),
    detector(
        "host",
        r"(?i)\b(?:computer|host|netbios|machine|workstation|node)[ _-]?name[\"']?"
        r"(?:\s*[:=]|\s+to)\s*[\"']?(?P<s>[A-Za-z0-9][\w.-]{1,62})",
        words=_NAMED,
        starts=True,
    ),
    detector(
        "host",
        r"(?<=[A-Z][a-z]{2} [ \d]\d) \d\d:\d\d:\d\d (?P<s>[A-Za-z0-9][\w.-]{1,62}) [\w./()-]{1,64}(?:\[\d+\])?:",
        shapes=" 00:00:00 ",
        starts=True,
        valid=host_name,
    ),
    detector(
        "user",
        r"(?<!\w)/(?:home|Users)/(?P<s>[^/\s:\"',;]{2,64})",
        words="/home/|/users/",
        starts=True,
        valid=person,
    ),
    detector(
        "user",
        r"(?i)\b[a-z]:\\{1,2}(?:Users|Documents and Settings)\\{1,2}"
        r"(?P<s>[^\\\s:\"',;]{2,64}(?: [^\\\s:\"',;]{1,32}(?=\\))?)",
        words="\\users|\\documents",
        valid=person,
    ),
    detector(
        "user",
        r"(?<![\w\\:.-])(?P<s>[A-Z][A-Z0-9-]{2,14}\\{1,2}[A-Za-z][\w.-]{1,40})(?![\w\\])",
        words="\\",
        valid=domain_account,
    ),
    detector(
        "user",
        r"(?i)\b(?P<k>account[ _]?name|user(?:[ _-]?(?:name|id))?|login|logon|username)[\"']?"
        r"\s*[:=]\s*[\"']?(?P<s>[^\s\"',;]{2,64})",
        words="account name|account_name|accountname|user|login|logon",
        starts=True,
        valid=login_name,
    ),
    detector(
        "user",
        r"\b(?:for|by|of) (?:invalid )?user (?P<s>[A-Za-z][\w.-]{0,39}\w)",
        words="for user |by user |of user |for invalid user |by invalid user |of invalid user ",
        starts=True,
        valid=person,
    ),
    detector(
        "user",
        r"\((?:to|by) [\w.-]{1,40}\) (?P<s>[A-Za-z][\w.-]{1,40}) on ",
        words="(to |(by ",
        starts=True,
        valid=person,
    ),
)
