"""An alarm goes to https or to this machine itself, and the status comes back."""

import asyncio
import http.server
import threading
from collections.abc import Iterator

import pytest

from remote_assist.errors import UnreachableError, UsageError
from remote_assist.transport.alarm_post import check_address, post_json


class _Inlet(http.server.BaseHTTPRequestHandler):
    got: list[tuple[str, bytes]] = []  # noqa: RUF012 - one server at a time

    def do_POST(self) -> None:
        self.got.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(500 if self.path == "/broken" else 202)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def inlet() -> Iterator[str]:
    server = http.server.HTTPServer(("127.0.0.1", 0), _Inlet)
    _Inlet.got.clear()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join(60)
    server.server_close()


async def test_the_document_arrives_and_the_status_comes_back(inlet: str) -> None:
    assert await post_json(f"{inlet}/alarms?key=1", b'{"a":1}', timeout_seconds=60) == 202
    assert await post_json(f"{inlet}/broken", b"{}", timeout_seconds=60) == 500
    assert _Inlet.got == [("/alarms?key=1", b'{"a":1}'), ("/broken", b"{}")]


async def test_nobody_there_is_unreachable() -> None:
    server = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    with pytest.raises(UnreachableError):
        await post_json(f"http://127.0.0.1:{port}/", b"{}", timeout_seconds=60)


@pytest.mark.parametrize("url", ["http://example.com/a", "https://u:p@example.com/", "ftp://example.com", "https:///x"])
def test_other_addresses_are_refused(url: str) -> None:
    with pytest.raises(UsageError):
        check_address(url)
    check_address("https://example.com/alarms")
    check_address("http://[::1]:9/")
