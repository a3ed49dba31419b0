"""Fetches a document from a URL that a user gave: bounded in every way, and only from the public internet."""

from __future__ import annotations

import hashlib
import ssl
import time
import zlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from email.message import Message
from functools import cached_property
from pathlib import Path, PurePosixPath

import anyio
import httpx

from app import project
from app.ingest.addresses import is_public, resolve
from app.ingest.extract import Log
from app.ingest.upload import safe_name
from app.jobs import JobError
from app.wording import clip, duration, size

__all__ = ["BadUrl", "Fetched", "Fetcher", "Received", "check_url"]

Received = Callable[[int, int | None], None]
"""Hears how many bytes have come so far, and how many were announced, if that is known."""

_REDIRECTS = {301, 302, 303, 307, 308}
_MAX_REDIRECTS = 5
_MAX_URL = 2000

# Ports of other protocols, whose servers might take a request for something else. Browsers refuse them all
# (fetch.spec.whatwg.org, port blocking); these are those that a URL of the public internet could do harm with.
_FOREIGN_PORTS = {
    1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102, 103, 104, 109, 110,
    111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427, 465, 512, 513, 514, 515, 526, 530, 531, 532,
    540, 548, 554, 556, 563, 587, 601, 636, 989, 990, 993, 995, 1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061,
    6000, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080,
}  # fmt: skip


class BadUrl(ValueError):
    """This is no URL to fetch from. Its text says why, and the fix."""


@dataclass(frozen=True)
class Fetched:
    """A document that was fetched into a file."""

    bytes: int
    sha256: str
    name: str
    """The last part of the URL that answered."""
    media_type: str
    charset: str | None


def check_url(url: str) -> httpx.URL:
    """Takes a URL apart, as far as that goes without the network.

    Raises:
        BadUrl: it is not one that `Fetcher` takes.
    """
    shown = clip(url, 120)
    if len(url) > _MAX_URL:
        raise BadUrl(f"The URL has {len(url):,} characters: give one of at most {_MAX_URL:,}")
    try:
        parsed = httpx.URL(url.strip())
        port = parsed.port
    except (httpx.InvalidURL, ValueError) as error:
        raise BadUrl(f"{shown} is not a URL ({error}): give one such as https://example.com/page") from None
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise BadUrl(f"{shown} is not a web address: give one that starts with http:// or https://")
    if parsed.userinfo:
        # It would end up in lists and logs.
        raise BadUrl(f"The URL for {parsed.host} holds a user name or password: leave it out")
    if port is not None and not 1 <= port <= 65535:
        raise BadUrl(f"{shown} has port {port}: give a port from 1 to 65535, or none")
    if port in _FOREIGN_PORTS:
        raise BadUrl(f"{shown} has port {port}, which is not for the web: give the address of a web page")
    return parsed.copy_with(fragment=None)


class Fetcher:
    """Fetches over http and https.

    Guarantee: unless `allow_private`, no connection is ever opened to an address that is not public. Names
    are resolved here, each address is checked, and the connection goes to the address that was checked; so
    neither a redirect nor a name that changes its mind between two look-ups gets around it. Proxies that
    the environment names are not used, for the same reason.

    Arguments:
        max_bytes: the largest document, unpacked.
        allow_private: whether addresses of this machine and its network are allowed, for development.
        timeout: for all of it, redirects included, in seconds.
    """

    def __init__(self, *, max_bytes: int, allow_private: bool = False, timeout: float = 60.0) -> None:
        self._max_bytes = max_bytes
        self._allow_private = allow_private
        self._timeout = timeout

    async def fetch(
        self, url: str, target: Path, log: Log, *, received: Received = lambda number, total: None
    ) -> Fetched:
        """Fetches `url` into the file `target`, and calls `log` with each step.

        Arguments:
            received: called now and then while a large document arrives.

        Raises:
            JobError: for whatever keeps it from arriving, with the reason and the fix.
        """
        try:
            with anyio.fail_after(self._timeout):
                return await self._follow(check_url(url), target, log, received)
        except BadUrl as error:
            raise JobError(f"{error}.") from error
        except TimeoutError:
            raise JobError(
                f"{clip(url, 120)} did not arrive within {duration(self._timeout)}: try later, or upload the file."
            ) from None
        except httpx.TimeoutException as error:
            what = "answer the connection" if isinstance(error, httpx.ConnectTimeout) else "go on sending"
            raise JobError(f"The server of {clip(url, 120)} did not {what} in time: try again later.") from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise JobError(
                f"{clip(url, 120)} could not be fetched ({type(error).__name__}: {error}): "
                "open it in a browser to see whether it works."
            ) from error

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        return httpx.create_ssl_context()  # knows SSL_CERT_FILE; takes some ms to make

    async def _follow(self, url: httpx.URL, target: Path, log: Log, received: Received) -> Fetched:
        # Redirects are followed here rather than by httpx: each is shown, and each is checked like the first.
        for _ in range(_MAX_REDIRECTS + 1):
            log(f"Fetching {_shown(url)}", "info")
            timeout = httpx.Timeout(20.0, connect=10.0)
            # A client for each: a shared one would take a connection for another of the same address, made
            # for another name and with that name's certificate.
            async with httpx.AsyncClient(verify=self._tls, trust_env=False, timeout=timeout) as client:
                response = await self._send(client, url, log)
                try:
                    if response.status_code in _REDIRECTS and "location" in response.headers:
                        url = check_url(str(url.join(response.headers["location"])))
                        log(f"{_status(response)}: redirected to {_shown(url)}", "info")
                        continue
                    return await self._receive(response, url, target, log, received)
                finally:
                    await response.aclose()
        raise JobError(f"Redirected more than {_MAX_REDIRECTS} times, last to {_shown(url)}: give the final URL.")

    async def _send(self, client: httpx.AsyncClient, url: httpx.URL, log: Log) -> httpx.Response:
        port = url.port or (443 if url.scheme == "https" else 80)
        try:
            addresses = await resolve(url.raw_host.decode("ascii").strip("[]"), port)
        except (OSError, UnicodeError) as error:
            raise JobError(f"There is no host {url.host!r} ({error}): check the URL's spelling.") from error
        allowed = [address for address in addresses if self._allow_private or is_public(address)]
        if not allowed:
            # Not said: where it leads. The server's network has names that are nobody else's business.
            raise JobError(
                f"{url.host!r} is not on the public internet: refused. "
                "Upload the file, or set INGEST_ALLOW_PRIVATE_URLS=true if all users of this server may "
                "reach its network."
            )
        headers = {
            "host": url.netloc.decode("ascii"),
            "user-agent": f"{project.PROJECT_SLUG} (document ingest)",
            "accept": "text/html, text/markdown, application/pdf, text/plain, application/rss+xml, "
            "application/atom+xml, application/xml, */*;q=0.1",
            "accept-encoding": "gzip",
        }
        started = time.monotonic()
        for address in allowed:
            request = client.build_request(
                "GET",
                url.copy_with(host=address),
                headers=headers,
                # The certificate is the name's, whatever address we connect to.
                extensions={"sni_hostname": url.raw_host.decode("ascii").strip("[]")},
            )
            try:
                response = await client.send(request, stream=True)
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                if address == allowed[-1]:
                    raise JobError(
                        f"{url.host} ({address}, port {port}) cannot be connected to "
                        f"({str(error) or type(error).__name__}): check the URL, or try again later."
                    ) from error
                log(f"{address} cannot be connected to, trying the next address of {url.host}", "warning")
            else:
                log(f"{url.host} ({address}) answered in {duration(time.monotonic() - started)}", "info")
                return response
        raise AssertionError("the loop returns or raises at the last address")

    async def _receive(
        self, response: httpx.Response, url: httpx.URL, target: Path, log: Log, hear: Received
    ) -> Fetched:
        if not response.is_success:
            advice = "check the URL" if response.status_code < 500 else "the fault is on its side, try again later"
            raise JobError(f"The server answered {_status(response)} for {_shown(url)}: {advice}.")
        content_type = Message()
        content_type["content-type"] = response.headers.get("content-type", "")
        announced = response.headers.get("content-length", "")
        total = int(announced) if announced.isascii() and announced.isdigit() and len(announced) < 16 else None
        facts = [_status(response), response.headers.get("content-type") or "no content type"]
        facts.append(f"{size(total)} announced" if total is not None else "size not announced")
        log(", ".join(facts), "info")
        if total is not None and total > self._max_bytes:
            raise JobError(self._too_large(f"is {size(total)}"))
        started, received, digest = time.monotonic(), 0, hashlib.sha256()
        next_report = report_every = max(1_000_000, (total or 0) // 5)
        # Not in a thread: cancelled while it waits for that, nobody would close the file.
        with target.open("wb") as file:
            async for chunk in _unpacked(response):
                received += len(chunk)
                if received > self._max_bytes:
                    raise JobError(self._too_large(f"went past {size(self._max_bytes)}"))
                digest.update(chunk)
                file.write(chunk)  # to the page cache, 64 kB at a time: no thread is worth it
                if received >= next_report:
                    share = f" of {size(total)}" if total and received <= total else ""
                    log(f"Received {size(received)}{share}", "info")
                    hear(received, total)
                    next_report = received + report_every
        seconds = time.monotonic() - started
        rate = f" ({size(int(received / seconds))}/s)" if seconds > 0.05 else ""
        log(f"Fetched {size(received)} in {duration(seconds)}{rate}", "success")
        name = safe_name(PurePosixPath(url.path).name or url.host)
        charset = content_type.get_param("charset")
        return Fetched(
            bytes=received,
            sha256=digest.hexdigest(),
            name=name,
            media_type=content_type["content-type"],
            charset=charset if isinstance(charset, str) else None,
        )

    def _too_large(self, what: str) -> str:
        return (
            f"The document {what}, and MAX_UPLOAD_MB allows {size(self._max_bytes)}: "
            "give a smaller one, or raise the limit."
        )


async def _unpacked(response: httpx.Response) -> AsyncIterator[bytes]:
    """The body, decompressed in pieces of at most 64 kB. httpx would unpack any number of layers in one go,
    and a few kB can become gigabytes that way."""
    encoding = response.headers.get("content-encoding", "identity").strip().lower()
    if encoding in ("", "identity"):
        async for chunk in response.aiter_raw():
            yield chunk
        return
    if encoding not in ("gzip", "x-gzip", "deflate"):
        raise JobError(f"The server sent it compressed with {clip(encoding, 40)}, unasked: upload the file.")
    unpacker = zlib.decompressobj(wbits=47)  # gzip or zlib, whichever it is
    try:
        async for chunk in response.aiter_raw():
            while chunk:
                piece = unpacker.decompress(chunk, 65536)
                if piece:
                    yield piece
                chunk = unpacker.unconsumed_tail
    except zlib.error as error:
        raise JobError(f"What the server sent cannot be decompressed ({error}): upload the file.") from error
    if not unpacker.eof:
        raise JobError("What the server sent ends in the middle of its compressed data: try again.")


def _status(response: httpx.Response) -> str:
    return f"{response.status_code} {response.reason_phrase}".strip()


def _shown(url: httpx.URL) -> str:
    text = str(url)
    return text if len(text) <= 200 else text[:199] + "…"
