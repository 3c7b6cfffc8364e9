"""HTTP to one address: the one place where the client library's exceptions become ours.

What cannot work, such as a port beyond 65,535, a proxy of an unknown kind, a file of certificates
that is not there or a key that no header can hold, is a `ConfigError` before anything is sent. What
ends one attempt is a `Failure`. A certificate that is not trusted, or a server that speaks no TLS,
would end every attempt, and is an `EndpointError` at once.

A reply is read as it comes and only as far as `max_reply_mib` goes, counted as it is unpacked: a
small gzip body may hold gigabytes. Encodings that were not asked for are not unpacked.
"""

from __future__ import annotations

import asyncio
import ssl
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.request import getproxies

import httpx2

from selfplay.core.errors import ConfigError, EndpointError
from selfplay.core.models.endpoint_options import EndpointOptions
from selfplay.core.models.failure import Failure

_LARGEST_PORT = 65_535
_UNUSABLE = (httpx2.InvalidURL, ValueError, OverflowError, ImportError, OSError)
"""What the library raises for an address, a proxy or certificates that no request can be made with;
texts that cannot be encoded are ValueErrors."""
_NO_TLS = "WRONG_VERSION_NUMBER"
"""OpenSSL's word for a peer that does not speak TLS."""
_ZLIB_OR_GZIP = zlib.MAX_WBITS | 32


@dataclass(frozen=True)
class Reply:
    """What a server sent back."""

    status: int
    headers: Mapping[str, str]
    """Names in any case."""
    text: str


class Transport:
    """Sends requests to one address, with one key."""

    def __init__(self, url: str, options: EndpointOptions, key: str) -> None:
        """Connects to nothing yet; `key` may be empty.

        Raises:
            ConfigError: the address, the key, a proxy of the environment or its certificates cannot
                be used.
        """
        self.url = url
        self._options = options
        self._headers = {"Content-Type": "application/json", "Accept-Encoding": "gzip"}
        if key:
            self._headers["Authorization"] = f"Bearer {_sendable(key, options)}"
        with _refused(f"base_url: expected an address that can be asked, found '{url}'", "Mend it"):
            # Parsed once: a text would be with every request.
            self._parsed = httpx2.URL(url)
            port = self._parsed.port
            if port is not None and not 0 < port <= _LARGEST_PORT:
                raise ValueError(f"a port is a number from 1 to {_LARGEST_PORT:,}")
        with _refused(
            "expected a file of trusted certificates",
            "Look at the environment variables SSL_CERT_FILE and SSL_CERT_DIR",
        ):
            self._context = self._certificates()
        proxies = ", ".join(f"{kind}_proxy" for kind in getproxies()) or "none is set"
        with _refused(
            "expected proxies that can be used in the environment",
            f"Look at {proxies} (SOCKS needs the package socksio), or name the server's host in "
            "no_proxy",
        ):
            self.new_client()

    def new_client(self) -> httpx2.AsyncClient:
        """A client of its own connections."""
        return httpx2.AsyncClient(headers=self._headers, timeout=None, verify=self._context)

    async def send(self, client: httpx2.AsyncClient, content: str) -> Reply | Failure:
        """The reply to a request, whatever its status, or why there is none.

        Raises:
            EndpointError: no other request would fare better.
        """
        try:
            async with (
                asyncio.timeout(self._options.timeout),
                client.stream("POST", self._parsed, content=content) as response,
            ):
                return await self._received(response)
        except TimeoutError:
            detail = f"no answer within {self._options.timeout:g} s"
            return Failure("time-out", detail, again=True)
        except (httpx2.HTTPError, httpx2.StreamError, OSError) as error:
            self._refuse_hopeless(error)
            return Failure("no connection", _words(error), again=True)
        except (*_UNUSABLE, ExceptionGroup) as error:
            found = error.exceptions[0] if isinstance(error, ExceptionGroup) else error
            raise self._hopeless(f"{found}", "Look at base_url and the proxies") from error

    async def _received(self, response: httpx2.Response) -> Reply | Failure:
        most = self._options.max_reply_mib << 20
        unpacked = _unpacker(response.headers.get("Content-Encoding", ""))
        if unpacked is None:
            encoding = response.headers["Content-Encoding"]
            return Failure("no JSON", f"a body in the encoding '{encoding[:40]}'", again=True)
        body = bytearray()
        try:
            async for chunk in response.aiter_raw():
                body += unpacked(chunk, most + 1 - len(body))
                if len(body) > most:
                    return Failure(
                        "reply too large",
                        f"more than {self._options.max_reply_mib:,} MiB (max_reply_mib)",
                    )
        except zlib.error as error:
            return Failure("no JSON", f"a body that cannot be unpacked ({error})", again=True)
        text = _decoded(bytes(body), response.charset_encoding)
        return Reply(response.status_code, response.headers, text)

    def _certificates(self) -> ssl.SSLContext:
        """Read only if need be: that takes longer than a request."""
        if self._parsed.scheme == "https":
            return httpx2.create_ssl_context()
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)

    def _refuse_hopeless(self, error: BaseException) -> None:
        """Raises EndpointError for what the next attempt would meet again."""
        if isinstance(error, httpx2.LocalProtocolError | httpx2.UnsupportedProtocol):
            raise self._hopeless(str(error), "Look at base_url and the proxies") from error
        for cause in _causes(error):
            if isinstance(cause, ssl.SSLCertVerificationError):
                raise self._hopeless(
                    str(cause),
                    "Name a file with your authority's certificate in the environment variable "
                    "SSL_CERT_FILE, or ask the host that the certificate names",
                ) from error
            if isinstance(cause, ssl.SSLError) and cause.reason == _NO_TLS:
                advice = "The server seems to speak http:// at that port"
                raise self._hopeless(str(cause), advice) from error

    def _hopeless(self, found: str, advice: str) -> EndpointError:
        return EndpointError(
            f"{self.url}: expected a connection to model '{self._options.model}', found: {found}. "
            f"{advice}."
        )


@contextmanager
def _refused(expected: str, advice: str) -> Iterator[None]:
    """What the library raises in the block leaves it as a ConfigError."""
    try:
        yield
    except _UNUSABLE as error:
        raise ConfigError(f"{expected}; found: {error}. {advice}.") from error


def _sendable(key: str, options: EndpointOptions) -> str:
    """The key. Raises ConfigError, which does not show it, where no header can hold it."""
    odd = next((sign for sign in key if not "!" <= sign <= "~"), None)
    if odd is not None:
        raise ConfigError(
            f"api_key_env: expected a key of printable ASCII in the environment variable "
            f"{options.api_key_env}, found the character U+{ord(odd):04X} at place "
            f"{key.index(odd) + 1} of {len(key)}. Editors write curly quotes and spaces: set the "
            "variable again, to the bare key."
        )
    return key


def _unpacker(encodings: str) -> Callable[[bytes, int], bytes] | None:
    """Unpacks a chunk of a body, as much as asked for at most; None for an unknown encoding."""
    if encodings.strip().lower() in ("", "identity"):
        return lambda chunk, most: chunk
    if encodings.strip().lower() in ("gzip", "x-gzip", "deflate"):
        return zlib.decompressobj(_ZLIB_OR_GZIP).decompress
    return None


def _decoded(body: bytes, charset: str | None) -> str:
    """JSON is UTF-8; what is not is read as it says it is."""
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError:
        try:
            return body.decode(charset or "utf-8", errors="replace")
        except LookupError:
            return body.decode(errors="replace")


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The exception and what it came from; a library may turn one into another several times."""
    found: BaseException | None = error
    while found is not None:
        yield found
        found = found.__cause__ or found.__context__


def _words(error: BaseException) -> str:
    """What the library says and, where it does not say that, what the system said."""
    said = str(error) or type(error).__name__
    system = [str(cause) for cause in _causes(error) if isinstance(cause, OSError) and cause.errno]
    return f"{said} ({system[-1]})" if system and system[-1] not in said else said
