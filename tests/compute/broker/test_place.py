"""Two settings say where the server listens; off loopback it is never without encryption."""

from __future__ import annotations

import pytest

from compute.broker.folder import BrokerError
from compute.broker.place import Place, place_of


def test_with_nothing_set_it_is_loopback_on_a_free_port() -> None:
    assert place_of("", "") == Place("127.0.0.1", 0)
    assert not place_of("", "").tls


@pytest.mark.parametrize(
    "listen", ["0.0.0.0:4222", "[::]:4222", "192.168.1.5:4222", "gpu.example.org:4222"]
)
@pytest.mark.parametrize("public", ["", "tls://gpu.example.org:4222", "wss://gpu.example.org"])
def test_off_loopback_everything_is_encrypted(listen: str, public: str) -> None:
    place = place_of(listen, public)
    if public.startswith("wss"):
        assert place.websocket_tls and place.host == "127.0.0.1"
    else:
        assert place.tls and not place.websocket_host


def test_a_tls_address_encrypts_also_on_loopback() -> None:
    place = place_of("127.0.0.1:4222", "tls://gpu.example.org")
    assert place.tls and place.local_url == "tls://127.0.0.1:4222"
    assert "gpu.example.org" in place.hosts and "127.0.0.1" in place.hosts


def test_behind_a_reverse_proxy_the_websocket_is_plain_on_loopback() -> None:
    place = place_of("", "wss://gpu.example.org")
    assert (place.websocket_host, place.websocket_port) == ("127.0.0.1", 4223)
    assert not place.websocket_tls and not place.tls


def test_one_address_is_told_to_workers_and_called_by_the_bot() -> None:
    assert place_of("192.168.1.5:4222", "").public_url == "tls://192.168.1.5:4222"
    assert place_of("192.168.1.5:4222", "").local_url == "tls://192.168.1.5:4222"
    assert place_of("[fd00::5]:4222", "").public_url == "tls://[fd00::5]:4222"
    assert place_of("[fd00::5]:4222", "").hosts == ("127.0.0.1", "::1", "fd00::5", "localhost")


def test_every_address_of_the_machine_is_none_that_workers_could_be_told() -> None:
    place = place_of("0.0.0.0:4222", "")
    assert place.public_url == "" and place.local_url == "tls://127.0.0.1:4222"
    assert "0.0.0.0" not in place.hosts


@pytest.mark.parametrize("listen", ["4222", ":4222", "a:", "a:b", "a:0", "me@a:1", "[::1:4222"])
def test_a_wrong_listen_address_is_a_sentence(listen: str) -> None:
    with pytest.raises(BrokerError, match="K2C_NATS_LISTEN"):
        place_of(listen, "")


@pytest.mark.parametrize("public", ["nats://127.0.0.1:4222", "http://a", "tls://", "ws://a", "x"])
def test_a_wrong_public_address_is_a_sentence(public: str) -> None:
    with pytest.raises(BrokerError, match="K2C_NATS_PUBLIC_URL"):
        place_of("", public)
