"""A token is one string that survives a paste; a hostile one is refused in a sentence."""

from __future__ import annotations

import base64
import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from compute.broker.access import MAX_TOKEN, PREFIX, Access, AccessError, access_of
from compute.broker.certs import ensure_certificates
from compute.broker.folder import Folder
from compute.broker.keys import new_seed, public_key

SEED = "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY"
WHOLE = {"urls": ["tls://queue.example.org:4222"], "name": "anna", "seed": SEED}


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> str:
    return ensure_certificates(Folder.at(tmp_path_factory.mktemp("ca")), ["localhost"])


def token(**changes: Any) -> str:
    text = json.dumps({**WHOLE, **changes}).encode()
    return PREFIX + base64.urlsafe_b64encode(text).decode().rstrip("=")


def test_a_token_comes_back_as_it_went(ca: str) -> None:
    access = Access(("tls://a:4222", "wss://b"), "anna", SEED, ca=ca)
    assert Access.decode(access.encode()) == access
    assert len(access.encode()) < 1500  # one paste; a terminal's line holds 4,095


def test_a_paste_with_line_breaks_and_spaces_is_the_same_token() -> None:
    whole = Access.decode(token())
    wrapped = "\n ".join(token()[i : i + 40] for i in range(0, len(token()), 40))
    assert Access.decode(f"  {wrapped}\r\n") == whole


def test_neither_key_nor_authority_is_in_the_words_of_an_access(ca: str) -> None:
    shown = repr(Access(("tls://a",), "anna", SEED, ca=ca))
    assert SEED not in shown and "CERTIFICATE" not in shown


def test_a_token_never_carries_a_path_of_this_machine() -> None:
    with pytest.raises(AccessError, match="copy the file"):
        Access(("tls://a",), "anna", creds="/etc/bot.creds").encode()
    assert Access.decode(token(creds="/home/anna/.ssh/id_ed25519")).creds == ""


@pytest.mark.parametrize(
    ("hostile", "sentence"),
    [
        ("", "no token"),
        ("k2c2.abc", "no token"),
        (PREFIX + "A" * MAX_TOKEN, "no token"),
        (PREFIX + "!!!", "damaged"),
        (PREFIX + "äöü", "damaged"),
        (PREFIX + base64.urlsafe_b64encode(b"[" * 9000).decode(), "damaged"),
        (PREFIX + base64.urlsafe_b64encode(b"\xff\xfe").decode(), "damaged"),
        (PREFIX + base64.urlsafe_b64encode(b"[1, 2]").decode(), "damaged"),
        (token()[:-10], "damaged"),
        (token(urls=[]), "names no server"),
        (token(urls="tls://a"), "names no server"),
        (token(urls=["tls://a"] * 9), "names no server"),
        (token(urls=[5]), "must be text"),
        (token(urls=["tls://a\r\nPUB x"]), "must be text"),
        (token(urls=["tls://ä.example"]), "must be text"),
        (token(urls=["tls://" + "a" * 300]), "must be text"),
        (token(urls=["http://a"]), "no address"),
        (token(urls=["tls://"]), "no address"),
        (token(urls=["tls://a:x"]), "no address"),
        (token(urls=["tls://[::1"]), "no address"),
        (token(urls=["tls://me:pw@a"]), "no login"),
        (token(urls=["nats://queue.example.org:4222"]), "neither encrypted"),
        (token(urls=["ws://192.168.1.5"]), "neither encrypted"),
        (token(urls=["nats://127.0.0.1.evil.example"]), "neither encrypted"),
        (token(name="../anna"), "worker's name"),
        (token(name="anna.*"), "worker's name"),
        (token(name=None), "worker's name"),
        (token(seed="SU"), "valid key"),
        (token(seed=["SU"]), "valid key"),
        (token(ca=5), "no PEM"),
        (token(ca="-----BEGIN PRIVATE KEY-----"), "no PEM"),
        (token(ca="-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"), "be read"),
    ],
)
def test_a_hostile_token_is_a_sentence(hostile: str, sentence: str) -> None:
    with pytest.raises(AccessError, match=sentence) as caught:
        Access.decode(hostile)
    assert SEED not in str(caught.value) and len(str(caught.value)) < 200


def test_unencrypted_is_taken_on_this_machine_only() -> None:
    for url in ("nats://127.0.0.1:4222", "nats://localhost:4222", "ws://[::1]:80"):
        assert Access.decode(token(urls=[url])).urls == (url,)


def test_an_existing_nats_is_read_from_three_settings(tmp_path: Path, ca: str) -> None:
    creds, authority = tmp_path / "bot.creds", tmp_path / "ca.pem"
    creds.write_text("-----BEGIN NATS USER JWT-----\nx\n------END NATS USER JWT------\n")
    authority.write_text(ca)
    access = access_of("tls://a:4222, tls://b:4222", str(creds), str(authority))
    assert access == Access(("tls://a:4222", "tls://b:4222"), creds=str(creds), ca=ca)
    assert access_of("nats://nats:4222").urls == ("nats://nats:4222",)  # the operator's own network


def test_a_file_with_an_nkey_seed_alone_will_do(tmp_path: Path) -> None:
    (tmp_path / "bot.nk").write_text(f"{SEED}\n")
    access = access_of("nats://a", str(tmp_path / "bot.nk"), name="gpu-1")
    assert (access.seed, access.creds, access.name) == (SEED, "", "gpu-1")


@pytest.mark.parametrize("content", [None, b"\xff\xfe", b"hello", b""])
def test_wrong_credentials_are_a_sentence(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "x").write_bytes(content)
    with pytest.raises(AccessError, match=r"cannot be read|holds neither"):
        access_of("nats://a", str(tmp_path / "x"))


def test_a_wrong_address_or_authority_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "ca").write_text("no certificate")
    with pytest.raises(AccessError, match="No address"):
        access_of(" , ")
    with pytest.raises(AccessError, match="no address"):
        access_of("http://a")
    with pytest.raises(AccessError, match="no PEM"):
        access_of("tls://a", "", str(tmp_path / "ca"))


def test_each_key_is_new_and_only_its_public_half_is_public() -> None:
    seed, other = new_seed(), new_seed()
    assert seed != other and len(seed) == 58 and seed.startswith("SU")
    assert public_key(seed).startswith("U") and len(public_key(seed)) == 56
    assert dataclasses.replace(Access(("tls://a",)), seed=seed).seed == seed
    with pytest.raises(ValueError, match="not an nkey"):
        public_key("SUAB")
