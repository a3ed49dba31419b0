"""Fetches a document from a URL that a user gave: bounded in every way, and only from the public internet."""

from __future__ import annotations

import hashlib
import logging
import ssl
import time
import zlib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

import aiodns
import anyio
import anyio.lowlevel
import httpcore
import httpx

from app import project
from app.ingest.addresses import is_public, resolve
from app.ingest.charset import charset_of
from app.ingest.extract import Log
from app.ingest.readers.html import refresh_target
from app.ingest.unpacking import Unpacker
from app.ingest.upload import safe_name
from app.jobs import JobError
from app.storage import disk
from app.wording import beginning, clip, duration, size

__all__ = [
    "BadUrl", "Fetched", "Fetcher", "Gone", "NotModified", "Received", "RetryLater", "Validators", "check_url",
]  # fmt: skip

Received = Callable[[int, int | None], None]
"""Hears how many bytes have come so far, and how many were announced, if that is known."""

logger = logging.getLogger(__name__)

_REDIRECTS = {301, 302, 303, 307, 308}
_MAX_REDIRECTS = 5
_MAX_URL = 2000
_MAX_VALIDATOR = 1000
_MAX_ADDRESSES = 3
"""Of a name, of IPv4 and of IPv6 each: as many as are tried. It may have thousands, of anybody's servers."""
_MAX_OVERHEAD = 65_536
"""So many bytes more than the document a server may send around it: headers, 1xx answers, what parts it into chunks."""
_READ = 16_384
"""Bytes that are parsed in one go: between two reads others have their turn."""

# What an answer means for whoever gave the address, and what they can do.
_ADVICE = {
    204: "it has no content: give another URL",
    205: "it has no content: give another URL",
    206: "it sent a part alone, unasked: try again, or upload the file",
    401: "one has to sign in there: open it in a browser, save it, and upload the file",
    402: "it has to be paid for: open it in a browser, save it, and upload the file",
    403: "it refuses this server: open it in a browser, save it, and upload the file",
    404: "there is no such page, check the URL",
    410: "it was removed for good: give another URL",
    429: "it had too many requests: try again later",
    451: "it may not show this for legal reasons: give another URL",
}

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


class RetryLater(JobError):
    """The server has said when it may be asked again (Retry-After).

    Arguments:
        what: what it answered.
        advice: what to do.
        seconds: from now; at least 0.
    """

    def __init__(self, what: str, advice: str, seconds: float) -> None:
        super().__init__(f"{what}: {advice}, in {duration(seconds)} at the earliest, as it asks.")
        self.what = what
        self.seconds = seconds


class Gone(JobError):
    """What was at the URL was removed for good (410)."""


class NotModified(Exception):
    """What is at the URL is still what the validators were for (304)."""


@dataclass(frozen=True)
class Validators:
    """What a server has said of a document, to be asked with whether it has changed (RFC 9110, 8.8).

    Arguments:
        url: the one that answered, behind all redirects. It alone is asked so.
    """

    url: str
    etag: str | None
    last_modified: str | None


@dataclass(frozen=True)
class Fetched:
    """A document that was fetched into a file."""

    bytes: int
    sha256: str
    name: str
    """The last part of the URL that answered."""
    media_type: str
    charset: str | None
    url: str
    """The one that answered, behind all redirects."""
    leads_on: str | None = None
    """Where its header `Refresh` leads on to at once, as a `<meta http-equiv=refresh>` does; it may be relative."""
    validators: Validators | None = None
    cookies: httpx.Cookies = field(default_factory=httpx.Cookies, compare=False)
    """Those of this fetch, for one that goes on where it has led."""


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
        host, port = parsed.host, parsed.port  # reads an international name: xn--a is none
    except (httpx.InvalidURL, ValueError) as error:
        raise BadUrl(f"{shown} is not a URL ({error}): give one such as https://example.com/page") from None
    if parsed.scheme not in ("http", "https") or not host:
        raise BadUrl(f"{shown} is not a web address: give one that starts with http:// or https://")
    if parsed.userinfo:
        # It would end up in lists and logs.
        raise BadUrl(f"The URL for {host} holds a user name or password: leave it out")
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
    the environment names are not used, for the same reason. Whether the network has a name is told neither by
    the words of a refusal nor by when it comes.

    Arguments:
        max_bytes: the largest document, unpacked.
        allow_private: whether addresses of this machine and its network are allowed, for development.
        timeout: for all of it, redirects included, in seconds (MAX_FETCH_SECONDS).
        lookup: for one name, in seconds.
        step: a name is refused after a multiple of so many seconds.
        nameservers: who is asked for names, such as `127.0.0.1:53` (default: whom the system asks).
    """

    def __init__(
        self,
        *,
        max_bytes: int,
        allow_private: bool = False,
        timeout: float = 60.0,
        lookup: float = 5.0,
        step: float = 1.0,
        nameservers: Sequence[str] | None = None,
    ) -> None:
        self._max_bytes = max_bytes
        self._allow_private = allow_private
        self._timeout = timeout
        self._lookup = lookup
        self._step = step
        self._nameservers = nameservers

    async def fetch(
        self,
        url: str,
        target: Path,
        log: Log,
        *,
        received: Received = lambda number, total: None,
        known: Validators | None = None,
        cookies: httpx.Cookies | None = None,
    ) -> Fetched:
        """Fetches `url` into the file `target`, and calls `log` with each step.

        Arguments:
            received: called now and then while a large document arrives.
            known: what was said of the document that is here already.
            cookies: of the fetch that has led here (default: none). What a server sets is sent with the redirects of
                this fetch, where it belongs, and then forgotten.

        Raises:
            NotModified: the document is still what `known` was for.
            RetryLater: the server has said when to ask again.
            JobError: for whatever else keeps it from arriving, with the reason and the fix.
        """
        jar = httpx.Cookies(cookies)
        try:
            with anyio.fail_after(self._timeout):
                return await self._follow(check_url(url), target, log, received, known, jar)
        except BadUrl as error:
            raise JobError(f"{error}.") from error
        except TimeoutError:
            logger.warning("fetching %s was stopped: MAX_FETCH_SECONDS is %g", clip(url, 120), self._timeout)
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

    async def close(self) -> None:
        """Gives up what is being looked up. What is fetched by then is for the caller to cancel."""
        if "_names" in self.__dict__:
            await self._names.close()

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        return httpx.create_ssl_context()  # knows SSL_CERT_FILE; takes some ms to make

    @cached_property
    def _names(self) -> aiodns.DNSResolver:
        return aiodns.DNSResolver(self._nameservers, timeout=self._lookup / 2, tries=2)

    async def _follow(
        self,
        url: httpx.URL,
        target: Path,
        log: Log,
        received: Received,
        known: Validators | None,
        cookies: httpx.Cookies,
    ) -> Fetched:
        # Redirects are followed here rather than by httpx: each is shown, and each is checked like the first.
        for _ in range(_MAX_REDIRECTS + 1):
            log(f"Fetching {_shown(url)}", "info")
            timeout = httpx.Timeout(20.0, connect=10.0)
            # A client for each: a shared one would take a connection for another of the same address, made
            # for another name and with that name's certificate.
            meter = _Meter()
            transport = _Transport(self._tls, meter)
            async with httpx.AsyncClient(transport=transport, trust_env=False, timeout=timeout) as client:
                asked = httpx.Request("GET", url, headers=_conditions(url, known))
                cookies.set_cookie_header(asked)
                response = await self._send(client, asked, log)
                try:
                    # Its request went to an address; a cookie is of the name.
                    cookies.extract_cookies(httpx.Response(200, headers=response.headers, request=asked))
                    if response.status_code == 304 and _conditions(url, known):
                        log(f"{_status(response)}: unchanged", "info")
                        raise NotModified
                    if response.status_code in _REDIRECTS and "location" in response.headers:
                        url = check_url(str(url.join(response.headers["location"])))
                        log(f"{_status(response)}: redirected to {_shown(url)}", "info")
                        continue
                    return await self._receive(response, meter, url, target, log, received, cookies)
                finally:
                    await response.aclose()
        raise JobError(f"Redirected more than {_MAX_REDIRECTS} times, last to {_shown(url)}: give the final URL.")

    async def _send(self, client: httpx.AsyncClient, asked: httpx.Request, log: Log) -> httpx.Response:
        url = asked.url
        port = url.port or (443 if url.scheme == "https" else 80)
        addresses = await self._addresses(url)
        headers = {
            **asked.headers,
            "host": url.netloc.decode("ascii"),
            "user-agent": f"{project.PROJECT_SLUG} (document ingest)",
            "accept": "text/html, text/markdown, application/pdf, text/plain, application/rss+xml, "
            "application/atom+xml, application/feed+json, application/xml, */*;q=0.1",
            "accept-encoding": "gzip",
        }
        started = time.monotonic()
        for address in addresses:
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
                if address == addresses[-1]:
                    raise JobError(
                        f"{url.host} ({address}, port {port}) cannot be connected to "
                        f"({str(error) or type(error).__name__}): check the URL, or try again later."
                    ) from error
                log(f"{address} cannot be connected to, trying the next address of {url.host}", "info")
            else:
                log(f"{url.host} ({address}) answered in {duration(time.monotonic() - started)}", "info")
                return response
        raise AssertionError("the loop returns or raises at the last address")

    async def _addresses(self, url: httpx.URL) -> list[str]:
        """Where to connect to for a URL.

        Raises:
            JobError: nowhere.
        """
        began = anyio.current_time()
        found, why = list[str](), ""
        try:
            with anyio.fail_after(self._lookup):
                found = await resolve(url.raw_host.decode("ascii").strip("[]"), self._names)
        except (OSError, UnicodeError) as error:
            why = str(error) or "no answer in time"
        allowed = [address for address in found if self._allow_private or is_public(address)]
        if allowed:
            six, four = ([each for each in allowed if (":" in each) == is_six] for is_six in (True, False))
            return sorted([*six[:_MAX_ADDRESSES], *four[:_MAX_ADDRESSES]], key=allowed.index)
        if self._allow_private:
            raise JobError(f"There is no host {url.host!r} ({why}): check the URL's spelling.")
        logger.info(
            "refused to fetch from %r (%s): not on the public internet. INGEST_ALLOW_PRIVATE_URLS=true lets all users "
            "reach this server's network", url.host, why or ", ".join(found)[:100],
        )  # fmt: skip
        # The network's names are nobody else's business. So one that it has is refused like one that nobody has.
        await anyio.sleep((began - anyio.current_time()) % self._step)
        raise JobError(
            f"{url.host!r} is not on the public internet: refused. Check the URL's spelling, or upload the file."
        )

    async def _receive(
        self,
        response: httpx.Response,
        meter: _Meter,
        url: httpx.URL,
        target: Path,
        log: Log,
        hear: Received,
        cookies: httpx.Cookies,
    ) -> Fetched:
        if not response.is_success or response.status_code in _ADVICE:
            raise _refusal(response, url)
        content_type = beginning(response.headers.get("content-type", ""), 200)
        announced = response.headers.get("content-length", "")
        total = int(announced) if announced.isascii() and announced.isdigit() and len(announced) < 16 else None
        facts = [_status(response), content_type or "no content type"]
        facts.append(f"{size(total)} announced" if total is not None else "size not announced")
        log(", ".join(facts), "info")
        if total is not None and total > self._max_bytes:
            raise JobError(self._too_large(f"is {size(total)}"))
        started, received, digest = time.monotonic(), 0, hashlib.sha256()
        next_report = report_every = max(1_000_000, (total or 0) // 5)
        # Not in a thread: cancelled while it waits for that, nobody would close the file.
        with disk(target.parent), target.open("wb") as file:
            try:
                async for chunk in _unpacked(response, meter, log):
                    received += len(chunk)
                    if received > self._max_bytes:
                        raise JobError(self._too_large(f"went past {size(self._max_bytes)}"))
                    await anyio.lowlevel.checkpoint()  # 64 kB may be thousands of chunks, or unpack to 64 MB
                    digest.update(chunk)
                    file.write(chunk)  # to the page cache, 64 kB at a time: no thread is worth it
                    if received >= next_report:
                        share = f" of {size(total)}" if total and received <= total else ""
                        log(f"Received {size(received)}{share}", "info")
                        hear(received, total)
                        next_report = received + report_every
            except (httpx.RemoteProtocolError, httpx.ReadError) as error:
                share = f" of the {size(total)} that it had announced" if total is not None else ""
                raise JobError(
                    f"{_shown(url)} could not be fetched whole: the server hung up after {size(received)}{share}. "
                    "Try again."
                ) from error
        seconds = time.monotonic() - started
        rate = f" ({size(int(received / seconds))}/s)" if seconds > 0.05 else ""
        log(f"Fetched {size(received)} in {duration(seconds)}{rate}", "success")
        name = safe_name(PurePosixPath(url.path).name or url.host)
        return Fetched(
            bytes=received,
            sha256=digest.hexdigest(),
            name=name,
            media_type=content_type,
            charset=charset_of(content_type),
            url=str(url),
            leads_on=refresh_target(response.headers.get("refresh", "")),
            validators=_validators(response, url),
            cookies=cookies,
        )

    def _too_large(self, what: str) -> str:
        return (
            f"The document {what}, and MAX_UPLOAD_MB allows {size(self._max_bytes)}: "
            "give a smaller one, or raise the limit."
        )


class _Meter:
    """Counts what a server sends, and what of it is the document."""

    def __init__(self) -> None:
        self._received = self._document = 0

    def received(self, number: int) -> None:
        """Takes in so many bytes.

        Raises:
            JobError: too many of them are no part of the document.
        """
        self._received += number
        if self._received > 2 * self._document + _MAX_OVERHEAD:
            raise JobError(
                f"The server sent {size(self._received)}, of which {size(self._document)} are the document: "
                "upload the file."
            )

    async def raw(self, response: httpx.Response) -> AsyncIterator[bytes]:
        """The body as it was sent, chunk by chunk."""
        async for chunk in response.aiter_raw():
            self._document += len(chunk)
            yield chunk


class _Transport(httpx.AsyncHTTPTransport):
    """httpx's own, over connections that are metered. httpx has no argument for it."""

    def __init__(self, tls: ssl.SSLContext, meter: _Meter) -> None:
        super().__init__(verify=tls, trust_env=False)
        self._pool = httpcore.AsyncConnectionPool(ssl_context=tls, network_backend=_Network(meter))


class _Network(httpcore.AsyncNetworkBackend):
    def __init__(self, meter: _Meter) -> None:
        self._meter = meter
        self._inner = httpcore.AnyIOBackend()

    async def connect_tcp(self, *address: Any, **options: Any) -> httpcore.AsyncNetworkStream:
        return _Stream(await self._inner.connect_tcp(*address, **options), self._meter)


class _Stream(httpcore.AsyncNetworkStream):
    def __init__(self, inner: httpcore.AsyncNetworkStream, meter: _Meter) -> None:
        self._inner = inner
        self._meter = meter

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109 (httpcore's)
        data = await self._inner.read(min(max_bytes, _READ), timeout)
        self._meter.received(len(data))
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109
        await self._inner.write(buffer, timeout)

    async def aclose(self) -> None:
        await self._inner.aclose()

    async def start_tls(self, *options: Any, **more: Any) -> httpcore.AsyncNetworkStream:
        return _Stream(await self._inner.start_tls(*options, **more), self._meter)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


async def _unpacked(response: httpx.Response, meter: _Meter, log: Log) -> AsyncIterator[bytes]:
    """The body, decompressed in pieces of at most 64 kB. httpx would unpack any number of layers in one go,
    and a few kB can become gigabytes that way."""
    encoding = response.headers.get("content-encoding", "identity").strip().lower()
    if encoding in ("", "identity"):
        async for chunk in meter.raw(response):
            yield chunk
        return
    if encoding not in ("gzip", "x-gzip", "deflate"):
        raise JobError(f"The server sent it compressed with {clip(encoding, 40)}, unasked: upload the file.")
    unpacker = Unpacker(deflate=encoding == "deflate")
    try:
        async for chunk in meter.raw(response):
            for piece in unpacker.feed(chunk):
                yield piece
        for piece in unpacker.finish():
            yield piece
    except zlib.error as error:
        raise JobError(f"What the server sent cannot be decompressed ({error}): upload the file.") from error
    if not unpacker.complete:
        raise JobError("What the server sent ends in the middle of its compressed data: try again.")
    if unpacker.ignored:
        log(f"{size(unpacker.ignored)} behind the compressed data are no part of it, and left out", "warning")


def _refusal(response: httpx.Response, url: httpx.URL) -> JobError:
    """Why an answer is not the document, and what to do."""
    status = response.status_code
    if status < 400:
        advice = _ADVICE.get(status, "it says of no address where to go on: give another URL")
    elif status < 500:
        advice = _ADVICE.get(status, "check the URL")
    else:
        advice = "the fault is on its side, try again later"
    what = f"The server answered {_status(response)} for {_shown(url)}"
    if status == 410:
        return Gone(f"{what}: {advice}.")
    seconds = _retry_after(response, datetime.now(timezone.utc)) if status == 429 or status >= 500 else None
    return JobError(f"{what}: {advice}.") if seconds is None else RetryLater(what, advice, seconds)


def _retry_after(response: httpx.Response, now: datetime) -> float | None:
    """The seconds after which a server wants to be asked again, which may be given as a date (RFC 9110, 10.2.3)."""
    text = response.headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit() and len(text) < 10:
        return float(text)
    until = _http_date(text)
    if until is None:
        return None
    # By the server's own clock, where it shows that.
    return max((until - (_http_date(response.headers.get("date", "")) or now)).total_seconds(), 0.0)


def _http_date(text: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(text)
    except ValueError:
        return None
    return date if date.tzinfo is not None else date.replace(tzinfo=timezone.utc)


def _conditions(url: httpx.URL, known: Validators | None) -> dict[str, str]:
    if known is None or known.url != str(url):
        return {}
    conditions = {"if-none-match": known.etag, "if-modified-since": known.last_modified}
    return {name: value for name, value in conditions.items() if value}


def _validators(response: httpx.Response, url: httpx.URL) -> Validators | None:
    found = [
        text if 0 < len(text) <= _MAX_VALIDATOR and text.isascii() and text.isprintable() else None
        for text in (response.headers.get("etag", ""), response.headers.get("last-modified", ""))
    ]
    return Validators(str(url), *found) if any(found) else None


def _status(response: httpx.Response) -> str:
    return beginning(f"{response.status_code} {response.reason_phrase}".strip(), 80)


def _shown(url: httpx.URL) -> str:
    text = str(url)
    return text if len(text) <= 200 else text[:199] + "…"
