"""Networks as they are: proxies named by the environment, and IPv6. The proxies here are real and small."""

import asyncio
import contextlib
import socket
import ssl
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from remote_assist.core.codec import decode
from remote_assist.core.messages import Challenge
from remote_assist.errors import UnreachableError, UsageError
from remote_assist.technician.api import RelayApi
from remote_assist.transport.dial import dial
from remote_assist.transport.proxies import check_proxy
from tests.relay.links.test_front_door import tls_files
from tests.relay.world import RelayWorld
from tests.transport.splice import spliced

NAME = "relay.example.com"
"""Nobody on this machine knows where it is; a proxy does."""

VARIABLES = ("http_proxy", "https_proxy", "ws_proxy", "wss_proxy", "socks_proxy", "all_proxy", "no_proxy")


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


class Proxy:
    """HTTP CONNECT and SOCKS5 on one port; every name leads to loopback. `asked`: what it was asked to reach."""

    def __init__(self, *, refuses: bool = False) -> None:
        self.refuses = refuses
        self.asked: list[str] = []
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            first = await reader.readexactly(1)
            target = await (self._socks(reader, writer) if first == b"\5" else self._connect(reader, writer))
            if target:
                await self._pass_on(reader, writer, target)
        writer.close()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> int:
        request = (await reader.readuntil(b"\r\n\r\n")).decode()
        self.asked.append(request.split()[1])
        writer.write(b"HTTP/1.1 403 Forbidden\r\n\r\n" if self.refuses else b"HTTP/1.1 200 OK\r\n\r\n")
        return 0 if self.refuses else int(request.split()[1].rpartition(":")[2])

    async def _socks(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> int:
        await reader.readexactly((await reader.readexactly(1))[0])
        writer.write(b"\5\0")
        kind = (await reader.readexactly(4))[3]
        if kind == 1:
            name = socket.inet_ntoa(await reader.readexactly(4))
        else:
            assert kind == 3, "a name, not an address: the proxy looks it up"
            name = (await reader.readexactly((await reader.readexactly(1))[0])).decode()
        port = int.from_bytes(await reader.readexactly(2), "big")
        self.asked.append(f"{name}:{port}")
        writer.write(bytes([5, 2 if self.refuses else 0, 0, 1, 0, 0, 0, 0, 0, 0]))
        return 0 if self.refuses else port

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int) -> None:
        there, onward = await asyncio.open_connection("127.0.0.1", port)

        async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
            with contextlib.suppress(ConnectionError):
                while data := await source.read(65536):
                    sink.write(data)
                sink.close()

        await asyncio.gather(pump(reader, onward), pump(there, writer))


@asynccontextmanager
async def proxied(*, refuses: bool = False, tls: ssl.SSLContext | None = None) -> AsyncIterator[Proxy]:
    proxy = Proxy(refuses=refuses)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0, ssl=tls)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()


async def exchanged(url: str, proxy_url: str = "") -> None:
    """A message passes both ways between two links dialled at `url`."""
    near, far = await asyncio.gather(*(dial(url, path, proxy_url=proxy_url) for path in ("/p/technician", "/p/agent")))
    try:
        for one, other in ((near, far), (far, near)):
            await one.send_binary(b"through")
            assert await asyncio.wait_for(other.receive(), 5) == b"through"
    finally:
        await asyncio.gather(near.close(), far.close())


@pytest.mark.parametrize(
    ("variable", "scheme"),
    [("http_proxy", "http"), ("HTTPS_PROXY", "http"), ("https_proxy", "socks5h"), ("socks_proxy", "socks5h")],
)
async def test_a_relay_is_reached_through_the_proxy_the_environment_names(
    monkeypatch: pytest.MonkeyPatch, variable: str, scheme: str
) -> None:
    async with spliced() as splice, proxied() as proxy:
        monkeypatch.setenv(variable, f"{scheme}://127.0.0.1:{proxy.port}")
        port = splice.url.rpartition(":")[2]
        await exchanged(f"http://{NAME}:{port}")
        assert proxy.asked == [f"{NAME}:{port}"] * 2


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_a_relay_on_this_machine_needs_no_proxy(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    async with spliced() as splice, proxied() as proxy:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.port}")
        await exchanged(splice.url.replace("127.0.0.1", host))
        assert proxy.asked == []


@pytest.mark.parametrize("host", [NAME, "127.0.0.1"])
@pytest.mark.parametrize("scheme", ["http", "socks5h"])
async def test_a_proxy_that_was_named_is_used_whatever_the_environment_says(
    monkeypatch: pytest.MonkeyPatch, scheme: str, host: str
) -> None:
    async with spliced() as splice, proxied() as proxy:
        monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
        monkeypatch.setenv("no_proxy", "*")
        port = splice.url.rpartition(":")[2]
        await exchanged(f"http://{host}:{port}", f"{scheme}://127.0.0.1:{proxy.port}")
        assert proxy.asked == [f"{host}:{port}"] * 2


@pytest.mark.parametrize("url", ["proxy.example.com", "ftp://p.example.com:1", "socks5h://p.example.com", "http:"])
def test_what_is_no_proxy_is_said(url: str) -> None:
    with pytest.raises(UsageError, match="proxy"):
        check_proxy(url)


async def test_no_proxy_is_honoured(monkeypatch: pytest.MonkeyPatch) -> None:
    async with proxied() as proxy:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.port}")
        monkeypatch.setenv("no_proxy", NAME)
        with pytest.raises(UnreachableError):
            await dial(f"http://{NAME}:9", "/", deadline_seconds=2)
        assert proxy.asked == []


@pytest.mark.parametrize("scheme", ["http", "socks5h"])
async def test_a_proxy_that_refuses_is_said(monkeypatch: pytest.MonkeyPatch, scheme: str) -> None:
    async with proxied(refuses=True) as proxy:
        monkeypatch.setenv("https_proxy", f"{scheme}://127.0.0.1:{proxy.port}")
        with pytest.raises(UnreachableError, match="cannot be reached"):
            await dial(f"http://{NAME}:8470", "/", deadline_seconds=5)
        assert proxy.asked == [f"{NAME}:8470"]


@pytest.mark.parametrize("scheme", ["http", "socks5h"])
async def test_a_proxy_that_is_not_there_is_said(monkeypatch: pytest.MonkeyPatch, scheme: str) -> None:
    monkeypatch.setenv("https_proxy", f"{scheme}://127.0.0.1:9")
    with pytest.raises(UnreachableError, match="cannot be reached"):
        await dial(f"http://{NAME}:8470", "/", deadline_seconds=5)


async def test_a_relay_is_reached_over_ipv6() -> None:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            pass
    except OSError as error:
        pytest.skip(f"no IPv6 on this machine: {error}")
    async with spliced(host="::1") as splice:
        await exchanged(splice.url)


async def test_a_private_ca_holds_for_the_relay_and_for_a_proxy_that_is_reached_over_tls(tmp_path: Path) -> None:
    """The proxy's TLS outside, the relay's inside it; both certificates are of the file that `--ca-file` names."""
    certificate, key = tls_files(tmp_path)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate, key)
    async with RelayWorld(tmp_path, tls_cert=certificate, tls_key=key) as world, proxied(tls=tls) as proxy:
        named = f"https://127.0.0.1:{proxy.port}"
        link = await dial(world.url, "/v1/agent", tls_ca_file=certificate, proxy_url=named)
        assert decode(await link.receive(), Challenge).nonce
        await link.close()
        async with RelayApi(world.url, tls_ca_file=certificate, proxy_url=named) as api:
            assert (await api.about()).version
        assert proxy.asked == [world.url.removeprefix("https://")] * 2
        with pytest.raises(UnreachableError, match="certificate"):
            await dial(world.url, "/v1/agent", proxy_url=named)
        with pytest.raises(UnreachableError):
            async with RelayApi(world.url, proxy_url=named) as api:
                await api.about()


ABOUT = """
import asyncio, sys
from remote_assist.technician.api import RelayApi
async def ask():
    async with RelayApi(sys.argv[1]) as api:
        print((await api.about()).product)
asyncio.run(ask())
"""


async def test_a_certificate_that_the_systems_own_store_vouches_for_needs_no_option(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate, key = tls_files(tmp_path)
    async with RelayWorld(tmp_path, tls_cert=certificate, tls_key=key) as world:
        with pytest.raises(UnreachableError, match="certificate that cannot be trusted"):
            await dial(world.url, "/v1/agent")
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))  # where OpenSSL says that the system's store is
        link = await dial(world.url, "/v1/agent")
        assert decode(await link.receive(), Challenge).nonce
        await link.close()
        asking = await asyncio.create_subprocess_exec(  # aiohttp reads the store when it is loaded
            sys.executable, "-c", ABOUT, world.url, stdout=asyncio.subprocess.PIPE
        )
        assert (await asyncio.wait_for(asking.communicate(), 30))[0] == b"remote-assist\n"
