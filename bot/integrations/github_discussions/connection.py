"""Makes the one PyGithub client: with a token or as an App, without its retries and pauses.

PyGithub's own retry sends a mutation again after a 502 although it was applied: it posted one
Discussion eleven times. It is off, and so is its throttle, which counts reads as changes.
"""

from __future__ import annotations

import logging
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from config.settings import Settings

if TYPE_CHECKING:
    from github import Github, GithubIntegration
    from github.Requester import Requester

USER_AGENT = "k2c"
TIMEOUT_S = 12  # longer than the 10 s after which GitHub itself gives up
PAGE = 100
RENEW_S = 30.0  # before an App's token ends


class KeyUnreadable(Exception):
    """The App's private key cannot be used; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """A token, or an App with its installation. Never shown."""

    base_url: str
    token: str = ""
    app_id: str = ""
    installation_id: str = ""
    key: str = ""
    key_file: str = ""

    def __repr__(self) -> str:
        return f"Credentials({'an App' if self.is_app else 'a token'})"

    @property
    def given(self) -> bool:
        """Whether there is anything to log in with."""
        return bool(self.token) or self.is_app

    @property
    def is_app(self) -> bool:
        """Whether the bot is an App; a token that is given as well is left alone."""
        return bool(self.app_id and self.installation_id and (self.key or self.key_file))

    @classmethod
    def of(cls, settings: Settings) -> Credentials:
        """What the settings say."""
        token, key = settings.github_token, settings.github_app_private_key
        return cls(
            settings.github_api_base,
            token.get_secret_value() if token is not None else "",
            settings.github_app_id,
            settings.github_installation_id,
            # In one line of an environment file the key's line ends are written as \n.
            key.get_secret_value().replace("\\n", "\n") if key is not None else "",
            settings.github_app_private_key_file,
        )


class Connection:
    """A client of one thread; of an App its token is renewed before it ends."""

    def __init__(self, credentials: Credentials, timeout_s: int = TIMEOUT_S) -> None:
        self._credentials = credentials
        self._timeout_s = timeout_s
        self._integration: GithubIntegration | None = None
        self._github: Github | None = None
        self._ends_at = math.inf
        self.permissions: dict[str, str] = {}  # of an App, once it has logged in

    def ready(self) -> Requester:
        """A client with a token that is good now; one request at most, for an App's token.

        Raises ``KeyUnreadable`` and what PyGithub raises. The first call imports PyGithub (0.5 s).
        """
        from github import Auth, Github

        if self._github is None or time.time() > self._ends_at - RENEW_S:
            token = self._app_token() if self._credentials.is_app else self._credentials.token
            self._drop()
            self._github = Github(auth=Auth.Token(token), **self._options())
        return self._github.requester

    def close(self) -> None:
        """Give the sockets back; ``ready`` logs in anew."""
        self._drop()
        if self._integration is not None:
            self._integration.close()
            self._integration = None

    def _drop(self) -> None:
        if self._github is not None:
            self._github.close()
            self._github = None

    def _app_token(self) -> str:
        from github import Auth, GithubIntegration

        # At DEBUG PyGithub writes answers to its log, and one of them is an App's new token.
        logging.getLogger("github.Requester").setLevel(logging.INFO)
        given = self._credentials
        if self._integration is None:
            signer = Auth.AppAuth(given.app_id, read_key(given))
            self._integration = GithubIntegration(auth=signer, **self._options())
        bought = self._integration.get_access_token(int(given.installation_id))
        self._ends_at = bought.expires_at.timestamp()
        self.permissions = dict(bought.raw_data.get("permissions") or {})
        return bought.token

    def _options(self) -> dict[str, Any]:
        return {
            "base_url": self._credentials.base_url,
            "user_agent": USER_AGENT,
            "timeout": self._timeout_s,
            "per_page": PAGE,
            "retry": None,
            "seconds_between_requests": None,
            "seconds_between_writes": None,
        }


def read_key(credentials: Credentials) -> str:
    """The App's private key as PEM. Raises ``KeyUnreadable``."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    name = "GITHUB_APP_PRIVATE_KEY"
    text = credentials.key
    if not text:
        name, file = f"{name}_FILE", Path(credentials.key_file)
        try:
            text = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is no text"
            raise KeyUnreadable(f"{name} cannot be read ({why}): it names the .pem file.") from None
    try:
        load_pem_private_key(text.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise KeyUnreadable(
            f"{name} holds no private key: make one in the App's settings and give the whole .pem."
        ) from None
    return text
