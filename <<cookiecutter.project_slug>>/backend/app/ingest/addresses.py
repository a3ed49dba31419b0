"""Which network addresses a URL from a user may lead to."""

from __future__ import annotations

import contextlib
import socket
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

import aiodns

__all__ = ["is_public", "resolve"]

_NAT64 = IPv6Network("64:ff9b::/96")
_GLOBAL_UNICAST = IPv6Network("2000::/3")
# What `is_global` of some Python versions lets through: protocol assignments, the 6to4 relay, documentation. And the
# address of the public range at which every machine of Azure, and nobody else, reaches its host.
_SPECIAL = (
    IPv4Network("192.0.0.0/24"),
    IPv4Network("192.88.99.0/24"),
    IPv4Network("168.63.129.16/32"),
    IPv6Network("3fff::/20"),
)
_ISATAP = (0x0000_5EFE, 0x0200_5EFE)  # in front of the IPv4 address of a machine within some network (RFC 5214)


def is_public(address: str) -> bool:
    """Whether an IP address is on the public internet: not loopback, private, link-local (where clouds keep
    their metadata), multicast or reserved; nor an IPv6 address that carries such an IPv4 address in it, nor one
    that is of one network interface (`%eth0`)."""
    ip = ip_address(address)
    if isinstance(ip, IPv6Address):
        embedded = _embedded(ip)
        if ip.scope_id is not None:
            return False
        if embedded is not None:
            return is_public(str(embedded))
        if ip not in _GLOBAL_UNICAST or int(ip) >> 32 & 0xFFFF_FFFF in _ISATAP:
            return False
    return ip.is_global and not (ip.is_multicast or ip.is_reserved or any(ip in net for net in _SPECIAL))


async def resolve(host: str, names: aiodns.DNSResolver) -> list[str]:
    """The addresses of a host, in the order in which to try them.

    Takes whatever browsers take for an address, so also `127.1`, `0x7f000001` and `2130706433`: what counts is what
    it leads to. No thread waits for the answer: a name whose server never answers holds nobody up.

    Arguments:
        names: asks the hosts file and the name servers.

    Raises:
        OSError: the name cannot be resolved.
    """
    with contextlib.suppress(ValueError):
        return [str(ip_address(host))]
    with contextlib.suppress(OSError):
        return [socket.inet_ntoa(socket.inet_aton(host))]
    try:
        found = await names.getaddrinfo(host, type=socket.SOCK_STREAM)
    except aiodns.error.DNSError as error:
        raise OSError(error.args[-1]) from error
    return list(dict.fromkeys(node.addr[0].decode("ascii") for node in found.nodes))


def _embedded(ip: IPv6Address) -> IPv4Address | None:
    if ip.ipv4_mapped is not None:
        return ip.ipv4_mapped
    if ip.sixtofour is not None:
        return ip.sixtofour
    if ip.teredo is not None:
        return ip.teredo[1]
    if ip in _NAT64:
        return IPv4Address(int(ip) & 0xFFFFFFFF)
    return None
