from __future__ import annotations

import socket

import pytest

from bot.integrations.feeds.addresses import NotPublic, is_named, is_public, named_socket

PRIVATE = [
    "127.0.0.1", "127.9.9.9", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1",
    "169.254.169.254", "192.0.0.192", "168.63.129.16", "198.18.0.1", "224.0.0.1", "239.1.1.1",
    "255.255.255.255", "240.0.0.1", "::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fec0::1",
    "ff02::1", "2001:db8::1", "::ffff:127.0.0.1", "::127.0.0.1", "64:ff9b::7f00:1",
    "64:ff9b::10.0.0.1", "64:ff9b:1::1", "2002:7f00:1::1", "2002:c0a8:101::1", "2001:0:1::1",
    "5f00::1", "100::1", "3fff::1", "192.88.99.1", "localhost", "",
]  # fmt: skip


@pytest.mark.parametrize("address", PRIVATE)
def test_no_address_of_a_private_network_is_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "address",
    ["1.1.1.1", "140.82.121.3", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8",
     "2002:808:808::1", "2a00:1450:4001::1"],
)  # fmt: skip
def test_addresses_of_the_internet_are(address: str) -> None:
    assert is_public(address)


CLOUD = [
    "169.254.169.254", "fe80::1%eth0", "168.63.129.16", "100.100.100.200", "192.0.0.192",
    "fd00:ec2::254", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::1", "x",
]  # fmt: skip


@pytest.mark.parametrize("address", CLOUD)
def test_no_feed_is_at_a_clouds_own_service_whoever_named_it(address: str) -> None:
    assert not is_named(address) and not is_public(address)


@pytest.mark.parametrize("address", ["127.0.0.1", "10.1.2.3", "192.168.1.1", "::1", "fd12::1"])
def test_a_feed_that_the_operator_named_may_be_of_a_private_network(address: str) -> None:
    assert is_named(address)


def test_a_connection_to_a_clouds_service_is_never_made() -> None:
    kind = (socket.AF_INET, socket.SOCK_STREAM, 0, "")
    with pytest.raises(NotPublic):
        named_socket((*kind, ("169.254.169.254", 80)))
    named_socket((*kind, ("127.0.0.1", 80))).close()
