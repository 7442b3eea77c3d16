"""nkeys: Ed25519 keys in NATS's own spelling. The server knows only the public half."""

from __future__ import annotations

import os
import re

SEED = re.compile(r"SU[A-Z2-7]{56}")


def new_seed() -> str:
    """A new user's private seed (58 characters, SU...)."""
    from nkeys import PREFIX_BYTE_USER, encode_seed

    return bytes(encode_seed(os.urandom(32), PREFIX_BYTE_USER)).decode()


def is_seed(text: str) -> bool:
    """Whether ``text`` is spelled as a user's private seed."""
    return SEED.fullmatch(text) is not None


def public_key(seed: str) -> str:
    """The public key (56 characters, U...) of ``seed``. Raises ``ValueError`` for a wrong seed."""
    from nkeys import NkeysError, from_seed

    try:
        return bytes(from_seed(bytearray(seed.encode())).public_key).decode()
    except NkeysError as error:
        raise ValueError(f"not an nkey user seed ({type(error).__name__})") from None
