"""Parses and checks the URL of a Redis server. Needs no redis-py."""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from ..options import DAY_SECONDS, check_count, check_number

Check = Callable[[str, str], Any]
"""Given an option's name and text, returns its value. Raises ValueError."""

FORM: Final = "redis://[user:password@]host:port/db, rediss:// for TLS, or unix:///path?db=0"


def _text(name: str, text: str) -> str:
    return text


def _whole(name: str, text: str) -> int:
    return int(check_count(name, int(text) if text.isdecimal() and len(text) < 10 else text, 0, 65_535))


def _seconds(name: str, text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = float("nan")
    if seconds != seconds:
        raise ValueError(f"{name} is {text!r}: give a number of seconds")
    return check_number(name, seconds, 0.01, DAY_SECONDS, "seconds")


def _interval(name: str, text: str) -> float:
    return 0 if text == "0" else _seconds(name, text)


def _one_of(fix: str, values: dict[str, Any]) -> Check:
    """Make a check for one of these texts; a text in small letters may be given in capitals too."""

    def check(name: str, text: str) -> Any:
        for key in (text, text.lower()):
            if key in values:
                return values[key]
        raise ValueError(f"{name} is {text!r}: give {fix}")

    return check


def _existing(is_there: Callable[[str], bool], wrong: str) -> Check:
    def check(name: str, text: str) -> str:
        if not is_there(text):
            raise ValueError(f"{name} is {text!r}: {wrong}")
        return text

    return check


_flag = _one_of("true or false", {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False})
_file = _existing(os.path.isfile, "there is no such file; give the path of one in PEM form")
_folder = _existing(os.path.isdir, "there is no such directory")
_protocol = _one_of("2 or 3", {"2": 2, "3": 3})
_requirement = _one_of("none, optional or required", {  # also Celery's form: CERT_NONE
    "none": "none", "optional": "optional", "required": "required",
    "cert_none": "none", "cert_optional": "optional", "cert_required": "required",
})  # fmt: skip
_tls = ssl.TLSVersion
_version = _one_of("TLSv1_2 or TLSv1_3", {
    "TLSv1_2": _tls.TLSv1_2, "771": _tls.TLSv1_2, "TLSv1_3": _tls.TLSv1_3, "772": _tls.TLSv1_3,
})  # fmt: skip

_USED: Final[dict[str, Check]] = {
    "db": _whole, "username": _text, "password": _text, "client_name": _text, "socket_timeout": _seconds,
    "socket_connect_timeout": _seconds, "socket_keepalive": _flag, "health_check_interval": _interval,
}  # fmt: skip
_TLS: Final[dict[str, Check]] = {
    "ssl_cert_reqs": _requirement, "ssl_check_hostname": _flag, "ssl_ca_certs": _file, "ssl_ca_path": _folder,
    "ssl_ca_data": _text, "ssl_certfile": _file, "ssl_keyfile": _file, "ssl_password": _text,
    "ssl_min_version": _version, "ssl_ciphers": _text,
}  # fmt: skip
# Options for a client's own interface and its pool. URLs that are shared with other programs have them; this store
# ignores them.
_UNUSED: Final[dict[str, Check]] = {
    "protocol": _protocol, "decode_responses": _flag, "encoding": _text, "encoding_errors": _text,
    "retry_on_timeout": _flag, "max_connections": _whole, "timeout": _seconds,
}  # fmt: skip


def parse_url(url: str) -> tuple[str, dict[str, Any]]:
    """The URL without its options, and the options as redis-py takes them.

    Raises:
        ValueError: it is not the URL of a Redis server, or an option is unknown, invalid, or contradicts another one.
            The message does not repeat a password.
    """
    if not isinstance(url, str):
        raise ValueError(f"url is {url!r}: give {FORM}")
    try:
        parts = urlsplit(url)
        query = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
        port_is_wrong = parts.port == 0
    except ValueError:  # the error may show a part of the password
        port_is_wrong = True
    if port_is_wrong:
        raise _no_url(
            "the host, the port or the options cannot be read; / ? # @ : in a password are %2F %3F %23 %40 %3A"
        )
    if parts.scheme not in ("redis", "rediss", "unix"):
        raise _no_url(f"{parts.scheme!r} is none of redis, rediss and unix" if parts.scheme else "it has no scheme")
    if "#" in url:
        raise _no_url("it has a '#'; in a password that is %23")
    options: dict[str, Any] = {}
    for name, text in query:
        known = {**_USED, **_TLS, **_UNUSED}.get(name)
        if known is None:
            raise ValueError(f"url has the option {name!r}, which this store does not know: leave it out")
        if name in options:
            raise ValueError(f"url has the option {name!r} twice: leave one out")
        options[name] = known(f"url's option {name}", text)
    _check_place(parts, options)
    _check_tls(parts.scheme, options)
    return parts._replace(query="").geturl(), {name: options[name] for name in options if name not in _UNUSED}


def _no_url(why: str) -> ValueError:
    return ValueError(f"url is not one of a Redis server: {why}; give {FORM}")


def _check_place(parts: SplitResult, options: dict[str, Any]) -> None:
    for name, given in (("username", parts.username), ("password", parts.password)):
        if given and options.get(name, unquote(given)) != unquote(given):
            raise ValueError(f"url has two values for {name}: the one before the @ and an option; leave one out")
    if parts.scheme == "unix":
        if not parts.path.strip("/"):
            raise _no_url("it has no path of a socket")
        return
    path = unquote(parts.path).strip("/")
    if not path:
        return
    if not (path.isdecimal() and len(path) < 6):
        raise _no_url(f"{path[:80]!r} is no number of a database")
    if options.get("db", int(path)) != int(path):
        raise ValueError(
            f"url has two values for db: {path} in its path and {options['db']} as an option; leave one out"
        )


def _check_tls(scheme: str, options: dict[str, Any]) -> None:
    given = [name for name in options if name in _TLS]
    if scheme != "rediss":
        if given:
            raise ValueError(f"url has the option {given[0]!r} without TLS: begin it with rediss://, or leave that out")
        return
    if "ssl_keyfile" in options and "ssl_certfile" not in options:
        raise ValueError("url has the option 'ssl_keyfile' without 'ssl_certfile': give both")
    if options.get("ssl_cert_reqs") == "none" and options.get("ssl_check_hostname"):
        raise ValueError(
            "url has ssl_check_hostname=true with ssl_cert_reqs=none: a name needs a certificate; leave one out"
        )
    try:
        context = ssl.create_default_context()
        if "ssl_certfile" in options:
            # Without a callable, OpenSSL would ask the terminal for the password of a key that has one.
            password = options.get("ssl_password", "")
            context.load_cert_chain(options["ssl_certfile"], options.get("ssl_keyfile"), lambda: password)
        if any(name in options for name in ("ssl_ca_certs", "ssl_ca_path", "ssl_ca_data")):
            context.load_verify_locations(
                options.get("ssl_ca_certs"), options.get("ssl_ca_path"), options.get("ssl_ca_data")
            )
        if "ssl_ciphers" in options:
            context.set_ciphers(options["ssl_ciphers"])
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        raise ValueError(f"url's options {', '.join(given)} cannot be used: {error}; give files in PEM form") from error
