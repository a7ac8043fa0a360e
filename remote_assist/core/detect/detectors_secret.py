"""Keys, tokens and passwords: what is taken out in every profile."""

from remote_assist.core.detect.detector import Detector, detector
from remote_assist.core.detect.validators import argument_secret, assigned_secret

_ANNOUNCING = (  # words that announce one
    r"passw(?:or)?d|passwort|kennwort|contrase[nñ]a|mot[ _]de[ _]passe|pwd|passphrase|passcode|secret|token"
    r"|(?<![a-z])pass(?=[\"'\\]{0,2}\s{0,16}[:=])"
    r"|api[_-]?key|access[_-]?key|private[_-]?key|account[_-]?key|signing[_-]?key|encryption[_-]?key|auth[_-]?key"
    r"|credentials?|key content|\bpsk|\bwpa_passphrase|client[_-]?secret|connection[_-]?key|licen[cs]e[_-]?key|\bpin"
)
_KEYS = ("api", "access", "private", "account", "signing", "encryption", "auth", "connection", "license", "licence")
_ANNOUNCING_WORDS = "|".join([
    *("pass", "pwd", "secret", "token", "credential", "psk", "wpa_pass", "pin", "kennwort", "contrase"),
    *("mot de", "mot_de", "key content", "client_secret", "client-secret"),
    *(f"{each}{joint}key" for each in _KEYS for joint in ("", "_", "-")),
])  # fmt: skip
_VALUE = r"(?P<s>\\[\"'][^\"'\n\\]{1,512}|\"[^\"\n]{1,512}\"|'[^'\n]{1,512}'|[^\s\"',;]{1,512})"
_OPTION = r"(?:password|passwd|pass|pw|token|secret|api-?key|auth|passphrase)"
_OPTION_WORDS = "-pass|-pw|-token|-secret|-api|-auth"

SECRETS: tuple[Detector, ...] = (
    detector(
        "key",
        r"(?P<s>-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"
        r"(?:(?!-----END)[\s\S]){0,20000}(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----)?)",
        words="-----begin ",
        starts=True,
        sure=True,
    ),
    detector("key", r"\b(?P<s>AGE-SECRET-KEY-1[0-9A-Z]{40,70})", words="age-secret-key", starts=True, sure=True),
    detector(
        "token",
        r"(?<![A-Za-z0-9])(?P<s>(?:AKIA|ASIA|AGPA|AIDA|AROA|ANPA)[A-Z0-9]{16})(?![A-Za-z0-9])",
        words="akia|asia|agpa|aida|aroa|anpa",
        starts=True,
        sure=True,
    ),
    detector("token", r"\b(?P<s>eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*)", words="eyj", starts=True, sure=True),
    detector(
        "token",
        r"\b(?P<s>gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,})",
        words="ghp_|gho_|ghu_|ghs_|ghr_|github_pat",
        starts=True,
        sure=True,
    ),
    detector("token", r"\b(?P<s>xox[abeprs]-[A-Za-z0-9-]{10,})", words="xox", starts=True, sure=True),
    detector(
        "token",
        r"\b(?P<s>glpat-[\w-]{16,}|(?:sk|rk|pk)_(?:live|test)_\w{16,}|AIza[\w-]{35}|npm_\w{30,}|pypi-[\w-]{30,}"
        r"|hvs\.[\w-]{20,}|dop_v1_[0-9a-f]{40,}|SG\.[\w-]{16,}\.[\w-]{16,}|sk-[\w-]{20,})",
        words="glpat-|sk_live_|rk_live_|pk_live_|sk_test_|rk_test_|pk_test_|aiza|npm_|pypi-|hvs.|dop_v1_|sg.|sk-",
        starts=True,
        sure=True,
    ),
    detector(
        "secret",
        r"\b[a-zA-Z][a-zA-Z0-9+.-]{0,20}://[^\s:/@]{0,128}:(?P<s>[^\s/@]{1,256})@",
        words="://",
        sure=True,
    ),
    detector(
        "secret",
        r"(?i)\bauthorization[\"']?\s*[:=]\s*[\"']?"
        r"(?:bearer|basic|digest|negotiate|ntlm|token|apikey|key)?\s*(?P<s>[^\s\"',]{6,})",
        words="authorization",
        starts=True,
    ),
    detector("secret", r"(?i)\b(?:bearer|basic)\s+(?P<s>[\w.~+/=-]{12,})", words="bearer|basic", starts=True),
    detector("secret", r"(?i)\bcookie[\"']?\s*[:=]\s*(?P<s>[^\r\n]+)", words="cookie", starts=True),
    detector(
        "secret",
        rf"(?i)(?P<k>(?:{_ANNOUNCING})[\w.-]{{0,40}})\\?[\"']?\s{{0,16}}(?:=>|[=:](?!//))\s{{0,16}}{_VALUE}",
        words=_ANNOUNCING_WORDS,
        starts=True,
        valid=assigned_secret,
    ),
    detector(
        "secret",
        r"(?i)\b(?:password|passwd|passwort|passphrase|kennwort|secret)\s{1,4}(?P<s>\"[^\"\n]{2,256}\"|'[^'\n]{2,256}')",
        words="pass|kennwort|secret",
        starts=True,
        valid=argument_secret,
    ),
    detector(
        "secret",
        r"(?i)\b(?:password|passwort|passphrase|kennwort)\s+(?:is|was|ist|set to|changed to|now)"
        r"\s*:?\s+[\"']?(?P<s>[^\s\"']{3,})",
        words="pass|kennwort",
        starts=True,
        valid=argument_secret,
    ),
    detector(
        "secret",
        r"(?i)<(?:\w{1,32}:)?\w{0,32}(?:password|passwd|pwd|secret|token|apikey)>(?P<s>[^<>\n]{1,512})</",
        words="word>|wd>|secret>|token>|key>",
        valid=argument_secret,
    ),
    detector(
        "secret",
        rf"(?i)-{_OPTION}(?:=|\s+|[\"'],\s*[\"'])[\"']?(?P<s>[^\s\"'-][^\s\"']*)",
        words=_OPTION_WORDS,
        starts=True,
    ),
    detector(
        "secret",
        r"\b(?:mysql\w*|mariadb\w*|sshpass|mongo\w*)\b[^\n]{0,200}?[\s\"']-p(?:\s|[\"'],\s*[\"'])?(?P<s>[^\s\"'-][^\s\"']+)",
        words="mysql|mariadb|sshpass|mongo",
        starts=True,
    ),
    detector(
        "secret",
        r"\bldap\w{1,20}\b[^\n]{0,200}?[\s\"']-w(?:\s+|[\"'],\s*[\"'])(?P<s>[^\s\"'-][^\s\"']+)",
        words="ldap",
        starts=True,
    ),
    detector(
        "secret",
        r"(?:-U|--user)(?:\s|=|[\"'],\s*[\"'])\s{0,4}[^\s%\"']{1,64}%(?P<s>[^\s\"']{2,256})",
        words="-u|--user",
        starts=True,
    ),
    detector(
        "secret",
        r"\b(?:curl|wget)\b[^\n]{0,200}?\s(?:-u|--user)[ =][^\s:]{1,64}:(?P<s>\S+)",
        words="curl|wget",
        starts=True,
    ),
    detector(
        "secret",
        r"(?P<s>\$(?:1|2[aby]?|5|6|7|y|gy|sha1|argon2\w{1,2})\$[^\s:]{6,})",
        words="$1$|$2$|$2a$|$2b$|$2y$|$5$|$6$|$7$|$y$|$gy$|$sha1$|$argon2",
        starts=True,
        sure=True,
    ),
    detector(
        "secret",
        r"\b(?P<s>[A-Z0-9]{5}(?:-[A-Z0-9]{5}){4})\b",
        plates="AAAAA-AAAAA-AAAAA-AAAAA-AAAAA",
        starts=True,
    ),
    detector(
        "secret",
        r"(?i)\b(?:recovery|bitlocker)[\w ]{0,20}[:=]\s*(?P<s>\d{6}(?:-\d{6}){7})",
        shapes="000000-000000-000000-000000",
    ),
)
