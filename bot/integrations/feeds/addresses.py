"""Which network addresses a feed may lead to: the internet's, and no network of ours."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable
from typing import Any

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
# What `is_global` of Python 3.11.7 calls global though it is not: IETF protocol assignments, a
# cloud's metadata and host services, 6to4 and its relays, discard, SRv6, site-local, old v4-mapped.
DENIED = tuple(
    ipaddress.ip_network(net)
    for net in (
        "192.0.0.0/24",
        "168.63.129.16/32",
        "192.88.99.0/24",
        "100.64.0.0/10",
        "64:ff9b:1::/48",
        "100::/64",
        "5f00::/16",
        "fec0::/10",
        "::/96",
        "2001::/23",
        "3fff::/20",
    )
)
NAT64 = ipaddress.ip_network("64:ff9b::/96")
# Where a cloud answers any process of a machine with that machine's keys: no feed is there, and
# whoever owns the name of a host that was named may lead it there later.
NEVER = tuple(
    ipaddress.ip_network(net)
    for net in ("169.254.0.0/16", "fe80::/10", "168.63.129.16/32", "100.100.100.200/32",
                "192.0.0.192/32", "fd00:ec2::254/128", "fd20:ce::254/128")
)  # fmt: skip
SIX_TO_FOUR = ipaddress.ip_network("2002::/16")


class NotPublic(OSError):
    """A connection that is not made, because the address is of a private network."""


def is_public(text: str) -> bool:
    """Whether an address literal is one of the internet's own, also where it wraps another."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    inner = _inside(address)
    if inner is not None:
        return is_public(str(inner))
    # Membership between versions is simply False.
    denied = any(address in network for network in DENIED)
    return address.is_global and not address.is_multicast and not denied


def _inside(address: Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address that an IPv6 one stands for."""
    if isinstance(address, ipaddress.IPv4Address):
        return None
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address in NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.sixtofour if address in SIX_TO_FOUR else None


def is_named(text: str) -> bool:
    """Whether a host that the operator named may be at that address: private, but no cloud's own
    service.
    """
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    inner = _inside(address)
    return is_named(str(inner)) if inner else not any(address in network for network in NEVER)


def named_socket(info: tuple[Any, ...]) -> socket.socket:
    """As ``public_socket``, for the host that the operator named. Raises ``NotPublic``."""
    return _socket(info, is_named)


def public_socket(info: tuple[Any, ...]) -> socket.socket:
    """A socket for aiohttp's connector, which asks for one per final address.

    A resolver of our own would not do: address literals, also in IDNA digits, never reach it.
    Raises ``NotPublic``.
    """
    return _socket(info, is_public)


def _socket(info: tuple[Any, ...], allowed: Callable[[str], bool]) -> socket.socket:
    family, kind, protocol, _, address = info
    if not allowed(str(address[0])):
        raise NotPublic(f"{address[0]} is no public address")
    return socket.socket(family=family, type=kind, proto=protocol)
