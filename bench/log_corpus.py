"""The corpus `mixed-logs-1`: log text of a made-up small server, the same bytes on every machine.

Nine kinds of lines in the share a busy host writes them; every 150th line holds a secret. Nothing in it is real.
"""

import random
from collections.abc import Callable

NAME = "mixed-logs-1"
SEED = 20261129
SECRET_EVERY = 150

Line = Callable[[random.Random, str], str]
UNITS = ("nginx", "postgresql", "cron", "ssh", "docker", "chronyd", "systemd-resolved", "logrotate", "php8.2-fpm")
PATHS = ("/", "/index.html", "/api/v1/orders", "/static/app.9f3c.js", "/login", "/cart/checkout", "/favicon.ico")
AGENTS = ("Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0", "curl/7.88.1", "Go-http-client/2.0")
LEVELS = ("info", "warn", "error")
PACKAGES = ("libc6", "openssl", "nginx-common", "python3.11-minimal", "linux-image-6.1.0-28-amd64")
CLASSES = ("com.example.shop.Cart", "com.example.shop.db.Pool", "org.springframework.web.DispatcherServlet")
SECRETS = (
    "env: DB_PASSWORD={0} started",
    "GET /cb?token={0}&state=1 failed",
    "connect postgresql://app:{0}@db:5432/shop",
    "Authorization: Bearer {0}{0}",
    "config reloaded, api_key = {0}",
)


def mixed_logs(size_bytes: int) -> str:
    """About `size_bytes` of text, whole lines."""
    dice = random.Random(SEED)
    lines: list[str] = []
    size = 0
    while size < size_bytes:
        second = len(lines) // 5
        stamp = f"Nov 29 {second // 3600 % 24:02}:{second // 60 % 60:02}:{second % 60:02}"
        make = _secret if len(lines) % SECRET_EVERY == SECRET_EVERY - 1 else dice.choices(KINDS, SHARES)[0]
        lines.append(make(dice, stamp))
        size += len(lines[-1]) + 1
    return "\n".join(lines) + "\n"


def _address(dice: random.Random) -> str:
    return f"203.0.113.{dice.randrange(1, 255)}"


def _access(dice: random.Random, stamp: str) -> str:
    path, agent = dice.choice(PATHS), dice.choice(AGENTS)
    return (
        f'{_address(dice)} - - [29/Nov/2026:{stamp[7:]} +0000] "GET {path}?page={dice.randrange(90)} HTTP/1.1" '
        f'{dice.choice((200, 200, 200, 304, 404, 502))} {dice.randrange(9000)} "-" "{agent}"'
    )


def _unit(dice: random.Random, stamp: str) -> str:
    unit = dice.choice(UNITS)
    what = dice.choice(("Started", "Stopped", "Reloading", "Scheduled restart job of", "Deactivated successfully:"))
    return f"{stamp} srv-example systemd[1]: {what} {unit}.service - {unit} of this host, job {dice.randrange(9999)}."


def _login(dice: random.Random, stamp: str) -> str:
    person = dice.choice(("root", "deploy", "backup", "oracle", "invalid user test"))
    return (
        f"{stamp} srv-example sshd[{dice.randrange(30000)}]: Failed password for {person} "
        f"from {_address(dice)} port {dice.randrange(1024, 65535)} ssh2"
    )


def _kernel(dice: random.Random, stamp: str) -> str:
    return dice.choice((
        f"{stamp} srv-example kernel: [{dice.uniform(1, 99999):.6f}] EXT4-fs (sda{dice.randrange(1, 9)}): "
        f"re-mounted. Opts: errors=remount-ro. Quota mode: none.",
        f"{stamp} srv-example kernel: audit: type=1400 audit({dice.uniform(1e9, 2e9):.3f}:{dice.randrange(9999)}): "
        f'apparmor="ALLOWED" operation="open" profile="usr.sbin.named" name="/etc/ssl/openssl.cnf" pid=712',
    ))  # fmt: skip


def _json(dice: random.Random, stamp: str) -> str:
    return (
        f'{{"ts":"2026-11-29T{stamp[7:]}.{dice.randrange(1000):03}Z","level":"{dice.choice(LEVELS)}",'
        f'"logger":"shop.orders","msg":"order stored","order_id":{dice.randrange(10**6)},'
        f'"duration_ms":{dice.randrange(900)},"customer_group":"b2c","items":[{dice.randrange(99)}]}}'
    )


def _java(dice: random.Random, stamp: str) -> str:
    name = dice.choice(CLASSES)
    return (
        f"2026-11-29 {stamp[7:]},{dice.randrange(1000):03} DEBUG [http-nio-8080-exec-{dice.randrange(40)}] {name} - "
        f"Returning connection from pool, active={dice.randrange(40)} waited={dice.random():.3f}s"
    )


def _trace(dice: random.Random, stamp: str) -> str:
    name = dice.choice(CLASSES)
    return (
        f"\tat {name}.handle({name.rpartition('.')[2]}.java:{dice.randrange(900)}) ~[shop-1.{dice.randrange(30)}.jar:?]"
    )


def _package(dice: random.Random, stamp: str) -> str:
    version = f"{dice.randrange(9)}.{dice.randrange(30)}-{dice.randrange(9)}+deb12u{dice.randrange(9)}"
    return f"2026-11-29 {stamp[7:]} status unpacked {dice.choice(PACKAGES)}:amd64 {version}"


def _mail(dice: random.Random, stamp: str) -> str:
    return (
        f"{stamp} srv-example postfix/smtp[{dice.randrange(30000)}]: {dice.randrange(16**9):X}: "
        f"to=<user{dice.randrange(50)}@example.org>, relay=mx.example.org[192.0.2.{dice.randrange(1, 255)}]:25, "
        f"delay={dice.uniform(0, 9):.1f}, dsn=2.0.0, status=sent (250 2.0.0 Ok: queued)"
    )


def _secret(dice: random.Random, stamp: str) -> str:
    value = f"{dice.randrange(16**12):012x}"
    return f"{stamp} srv-example app[{dice.randrange(30000)}]: {dice.choice(SECRETS).format(value)}"


KINDS: tuple[Line, ...] = (_access, _unit, _login, _kernel, _json, _java, _trace, _package, _mail)
SHARES = (24, 16, 10, 12, 12, 10, 6, 6, 4)
"""Of 100 lines."""
