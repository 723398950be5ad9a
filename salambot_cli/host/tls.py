"""TLS as a client sees it: a handshake that verifies, or what is wrong with the certificate."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from salambot_cli.host.probe_tcp import ConnectResult, Reach, close
from salambot_cli.host.time_limit import limit

if TYPE_CHECKING:
    from cryptography import x509


def tls_context(ca: Path | str | None = None, *, verify: bool = True) -> ssl.SSLContext:
    """Return a client's TLS settings: verified against the system's roots, or against one CA file (PEM).

    Raises:
        OSError, ssl.SSLError: the CA file cannot be read or is no certificate.
    """
    context = ssl.create_default_context(cafile=str(ca) if ca else None)
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


@dataclass(frozen=True, slots=True)
class Handshake:
    """The end of a TLS handshake: its contact, and what the certificate says."""

    contact: ConnectResult
    names: tuple[str, ...] = ()
    issuer: str = ""
    not_before: str = ""
    not_after: str = ""


Opening = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[bool]]
"""What is said before TLS; returns whether the peer agrees."""


def asking(prelude: bytes, agree: bytes) -> Opening:
    """Say something before TLS, such as Postgres' SSLRequest, and expect one answer."""

    async def opening(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        writer.write(prelude)
        return await reader.read(len(agree)) == agree

    return opening


async def handshake(
    contact: ConnectResult,
    context: ssl.SSLContext,
    *,
    opening: Opening | None = None,
    server_name: str | None = None,
    seconds: float = 4.0,
) -> Handshake:
    """Connect, speak an optional opening, then do a verified TLS handshake for `server_name` (the contact's host).

    Failures: MUTE (twice), RESET, NO_TLS (the peer answered something that is no TLS), UNTRUSTED.
    """
    name = server_name or contact.host
    shaken = await _shake(contact, context, opening, name, seconds)
    if shaken.contact.reach is Reach.MUTE:
        shaken = await _shake(contact, context, opening, name, seconds)
    return shaken


async def _shake(
    contact: ConnectResult, context: ssl.SSLContext, opening: Opening | None, name: str, seconds: float
) -> Handshake:
    host, port = contact.host, contact.port
    try:
        async with limit(seconds):
            reader, writer = await asyncio.open_connection(contact.address or host, port)
            try:
                if opening is not None and not await opening(reader, writer):
                    return Handshake(ConnectResult(Reach.NO_TLS, host, port, contact.addresses, contact.address))
                await writer.start_tls(context, server_hostname=name)
            finally:
                await close(writer)
    except TimeoutError:
        return Handshake(_failed(contact, Reach.MUTE, f"no TLS answer within {seconds:g} s"))
    except ssl.SSLCertVerificationError as error:
        reason = _failed(contact, Reach.UNTRUSTED, error.verify_message, error.verify_code)
        return await _describe_certificate(reason, opening, name)
    except ssl.SSLError as error:
        return Handshake(_failed(contact, Reach.NO_TLS, error.reason or str(error)))
    except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
        reset = _failed(contact, Reach.RESET, getattr(error, "strerror", None) or str(error))
        return Handshake(replace(reset, number=getattr(error, "errno", None)))
    return Handshake(contact)


def _failed(contact: ConnectResult, how: Reach, detail: str, number: int | None = None) -> ConnectResult:
    return ConnectResult(how, contact.host, contact.port, contact.addresses, contact.address, detail, number)


async def _describe_certificate(contact: ConnectResult, opening: Opening | None, name: str) -> Handshake:
    """Look at a certificate that did not verify: nothing but the handshake is sent over this connection."""
    from cryptography import x509

    try:
        async with limit(3):
            reader, writer = await asyncio.open_connection(contact.address or contact.host, contact.port)
            try:
                if opening is not None:
                    await opening(reader, writer)
                await writer.start_tls(tls_context(verify=False), server_hostname=name)
                der = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
            finally:
                await close(writer)
        certificate = x509.load_der_x509_certificate(der)
    except (OSError, TimeoutError, ValueError, asyncio.IncompleteReadError):
        return Handshake(contact)
    return Handshake(
        contact,
        _names_of(certificate),
        certificate.issuer.rfc4514_string(),
        certificate.not_valid_before_utc.isoformat(),
        certificate.not_valid_after_utc.isoformat(),
    )


def _names_of(certificate: "x509.Certificate") -> tuple[str, ...]:
    from cryptography import x509

    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    return tuple(str(name.value) for name in names)[:8]
