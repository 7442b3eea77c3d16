"""GitHub App authentication: a JWT signed by the app's key buys tokens that expire."""

from __future__ import annotations

import functools
import itertools
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.fakes.github.errors import Json, RestError
from tests.fakes.github.world import stamp

MAX_JWT_S = 600


@functools.cache
def _key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@dataclass
class App:
    """An installed GitHub App. ``issued`` maps each token to when it ends (``time.time``)."""

    id: int = 314159
    installation_id: int = 2718281
    token_life_s: float = 3600.0
    issued: dict[str, float] = field(default_factory=dict)
    suspended: bool = False
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    @property
    def private_key(self) -> str:
        """The key the bot signs with, as PEM; one a process, since making it takes 0.1 s."""
        return _key().private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ).decode()  # fmt: skip

    def accepts(self, token: str) -> bool:
        """Say whether an installation token is good now."""
        return self.issued.get(token, 0.0) > time.time()

    def refuse_tokens(self) -> None:
        """Let every token issued so far be refused from now on, before its time."""
        self.issued.clear()

    def check(self, bearer: str) -> None:
        """Refuse a JWT that this app's key did not sign, or that is not of now."""
        try:
            claims = jwt.decode(
                bearer, _key().public_key(), algorithms=["RS256"], leeway=60,
                options={"require": ["exp", "iat", "iss"]},
            )  # fmt: skip
        except jwt.PyJWTError:
            raise RestError(401, "A JSON web token could not be decoded") from None
        if str(claims["iss"]) != str(self.id):
            raise RestError(401, "Integration must generate a public key")
        if claims["exp"] - time.time() > MAX_JWT_S:
            raise RestError(401, "'Expiration time' claim ('exp') is too far in the future")

    def issue(self, installation: int, permissions: dict[str, str]) -> Json:
        """Return a new token for the installation."""
        if installation != self.installation_id:
            raise RestError(404, "Not Found")
        if self.suspended:
            raise RestError(403, "This installation has been suspended")
        token = f"ghs_fake{next(self._numbers)}"
        self.issued[token] = time.time() + self.token_life_s
        ends = datetime.now(UTC) + timedelta(seconds=self.token_life_s)
        granted = {k: v for k, v in permissions.items() if k != "repository"}
        return {"token": token, "expires_at": stamp(ends), "permissions": granted,
                "repository_selection": "selected"}  # fmt: skip
