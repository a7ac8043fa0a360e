"""Looks at the certificate a TLS server presents. Nothing is verified and nothing is sent after the hello."""

import asyncio
import ssl
from contextlib import suppress


async def tls_certificate(host: str, port: int, timeout_seconds: float) -> bytes | None:
    """The leaf certificate in DER, or None when there is no TLS server there within the time."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        async with asyncio.timeout(timeout_seconds):
            _, writer = await asyncio.open_connection(
                host, port, ssl=context, ssl_handshake_timeout=timeout_seconds, ssl_shutdown_timeout=timeout_seconds
            )
    except (OSError, ssl.SSLError, TimeoutError):
        return None
    connection = writer.get_extra_info("ssl_object")
    certificate: bytes | None = connection.getpeercert(binary_form=True)
    writer.transport.abort()
    with suppress(OSError, ssl.SSLError, TimeoutError):
        async with asyncio.timeout(timeout_seconds):
            await writer.wait_closed()
    return certificate
