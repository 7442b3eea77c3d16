"""Every setting of the bot, typed. Empty values count as unset; a wrong one is a sentence."""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from dotenv import dotenv_values
from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

ARTICLES = "K2C_ARTICLES"
DEFAULTS_FILE = Path(__file__).with_name("defaults.toml")


class SettingsError(ValueError):
    """Settings that cannot be used; ``problems`` holds one sentence for each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def _web_address(value: str) -> str:
    if value and not _is_address(value, ("http", "https")):
        raise ValueError("must be a full address such as https://example.org")
    return value.rstrip("/")


def _socket_address(value: str) -> str:
    if value and not _is_address(value, ("ws", "wss")):
        raise ValueError("must be a WebSocket address such as wss://gateway.example.org")
    return value


def _nats_addresses(value: str) -> str:
    parts = [part.strip() for part in value.split(",") if part.strip()]
    if not all(_is_address(part, ("nats", "tls", "ws", "wss")) for part in parts):
        raise ValueError("must be addresses such as tls://nats.example.org:4222, commas between")
    return ",".join(parts)


def _nats_public(value: str) -> str:
    if value and not _is_address(value, ("tls", "wss")):
        raise ValueError("must be tls://host:port or wss://host")
    return value


def _listen_address(value: str) -> str:
    host, _, port = value.rpartition(":")
    if value and not (host and port.isdigit() and _is_address(f"tcp://{value}", ("tcp",))):
        raise ValueError("must be host:port such as 0.0.0.0:4222")
    return value


def _is_address(value: str, schemes: tuple[str, ...]) -> bool:
    try:
        parts = urlsplit(value)
        # A port that is no number shows only when it is asked for; 0 is no port to connect to.
        return parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _blank(value: str) -> bool:
    return value != "" and not value.strip()


def _token(value: object) -> object:
    """A pasted token often brings a space or a line end."""
    return value.strip() if isinstance(value, str) else value


def _id_list(value: object) -> object:
    if not isinstance(value, str):
        return value
    ids = [part.strip() for part in value.split(",") if part.strip()]
    wrong = [part for part in ids if not (part.isdigit() and part.isascii() and len(part) <= 20)]
    if wrong:
        raise ValueError(f"must be server ids (digits) with commas between; {wrong[0]!r} is not")
    return tuple(int(part) for part in ids)


def _repository(value: str) -> str:
    if value and not re.fullmatch(r"[A-Za-z0-9-]{1,39}/[A-Za-z0-9._-]{1,100}", value):
        raise ValueError("must be owner/name such as mlsystems/site")
    return value


def _picture_place(value: str) -> str:
    if value and not re.fullmatch(
        r"[A-Za-z0-9-]{1,39}/[A-Za-z0-9._-]{1,100}@[A-Za-z0-9._/-]{1,100}", value
    ):
        raise ValueError("must be owner/name@branch such as mlsystems/pictures@main")
    return value


def _parts(value: object) -> object:
    if not isinstance(value, str):
        return value
    return tuple(part.strip() for part in value.split(",") if part.strip())


WebAddress = Annotated[str, AfterValidator(_web_address)]
SocketAddress = Annotated[str, AfterValidator(_socket_address)]
NatsAddresses = Annotated[str, AfterValidator(_nats_addresses)]
NatsPublic = Annotated[str, AfterValidator(_nats_public)]
ListenAddress = Annotated[str, AfterValidator(_listen_address)]
Token = Annotated[SecretStr | None, BeforeValidator(_token)]
Repository = Annotated[str, AfterValidator(_repository)]
PicturePlace = Annotated[str, AfterValidator(_picture_place)]
Parts = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_parts)]
IdList = Annotated[tuple[int, ...], NoDecode, BeforeValidator(_id_list)]


class Settings(BaseSettings):
    """One object for the whole program, built once by ``load_settings``."""

    model_config = SettingsConfigDict(
        env_file=".env",
        env_file_encoding="utf-8",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
        populate_by_name=True,
        str_strip_whitespace=True,
    )

    discord_token: Token = Field(default=None, validation_alias="DISCORD_TOKEN")
    discord_api_base: WebAddress = Field(validation_alias="DISCORD_API_BASE")
    discord_gateway_url: SocketAddress = Field(validation_alias="DISCORD_GATEWAY_URL")
    discord_cdn_base: WebAddress = Field(validation_alias="DISCORD_CDN_BASE")
    home_guild_ids: IdList = Field(validation_alias="DISCORD_GUILD_ID")

    github_token: Token = Field(default=None, validation_alias="GITHUB_TOKEN")
    github_app_id: str = Field(pattern=r"^[0-9]{0,12}$", validation_alias="GITHUB_APP_ID")
    github_installation_id: str = Field(
        pattern=r"^[0-9]{0,12}$", validation_alias="GITHUB_INSTALLATION_ID"
    )
    github_app_private_key: Token = Field(default=None, validation_alias="GITHUB_APP_PRIVATE_KEY")
    github_app_private_key_file: str = Field(validation_alias="GITHUB_APP_PRIVATE_KEY_FILE")
    github_api_base: WebAddress = Field(min_length=1, validation_alias="GITHUB_API_BASE")
    github_repository: Repository = Field(validation_alias="GITHUB_REPOSITORY")
    github_webhook_secret: Token = Field(default=None, validation_alias="GITHUB_WEBHOOK_SECRET")
    github_pictures: PicturePlace = Field(validation_alias="GITHUB_PICTURES")

    articles: Parts = Field(validation_alias="K2C_ARTICLES")
    poll_s: int = Field(ge=5, le=86_400, validation_alias="K2C_POLL_S")
    secret_key: Token = Field(default=None, validation_alias="K2C_SECRET_KEY")
    read_messages: Literal["on", "off"] = Field(validation_alias="K2C_READ_MESSAGES")

    site_url: WebAddress = Field(validation_alias="K2C_SITE_URL")
    http_host: str = Field(min_length=1, max_length=255, validation_alias="K2C_HTTP_HOST")
    http_port: int = Field(ge=0, le=65535, validation_alias="K2C_HTTP_PORT")
    public_url: WebAddress = Field(validation_alias="K2C_PUBLIC_URL")
    data_dir: Path = Field(validation_alias="K2C_DATA_DIR")
    retention_days: int = Field(ge=1, le=36_500, validation_alias="K2C_RETENTION_DAYS")
    chart_queue: int = Field(ge=0, le=1000, validation_alias="K2C_CHART_QUEUE")
    foreign_per_minute: int = Field(ge=1, le=10_000, validation_alias="K2C_FOREIGN_PER_MINUTE")
    user_per_minute: int = Field(ge=1, le=10_000, validation_alias="K2C_USER_PER_MINUTE")
    jobs_per_hour: int = Field(ge=0, le=10_000, validation_alias="K2C_JOBS_PER_HOUR")
    jobs_at_once: int = Field(ge=0, le=1000, validation_alias="K2C_JOBS_AT_ONCE")
    refresh: Literal["on", "off"] = Field(validation_alias="K2C_REFRESH")
    job_share_s: int = Field(ge=0, le=86_400, validation_alias="K2C_JOB_SHARE_S")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        validation_alias="K2C_LOG_LEVEL"
    )

    nats_url: NatsAddresses = Field(validation_alias="K2C_NATS_URL")
    nats_creds: str = Field(validation_alias="K2C_NATS_CREDS")
    nats_ca: str = Field(validation_alias="K2C_NATS_CA")
    nats_listen: ListenAddress = Field(validation_alias="K2C_NATS_LISTEN")
    nats_public_url: NatsPublic = Field(validation_alias="K2C_NATS_PUBLIC_URL")

    hf_endpoint: WebAddress = Field(min_length=1, validation_alias="HF_ENDPOINT")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments over environment over .env over defaults.toml."""
        return (
            init_settings,
            env_settings,
            dotenv_settings,
            InitSettingsSource(settings_cls, init_kwargs=default_values()),
        )

    @model_validator(mode="before")
    @classmethod
    def _blank_is_unset(cls, values: dict[str, Any]) -> dict[str, Any]:
        """``NAME=" "`` means no more than ``NAME=""``, which the sources leave out already."""
        blank = {name for name, value in values.items() if isinstance(value, str) and _blank(value)}
        defaults = {name: value for name, value in default_values().items() if name in blank}
        kept = {name: value for name, value in values.items() if name not in blank} | defaults
        # Only here is "" another wish than the default: no articles at all.
        nothing = "articles" not in values and _given_values().get(ARTICLES, "x").strip() == ""
        return kept | {ARTICLES: ""} if nothing else kept


def default_values() -> dict[str, Any]:
    """What defaults.toml says, by the names of the variables."""
    return tomllib.loads(DEFAULTS_FILE.read_text(encoding="utf-8"))


def load_settings(**overrides: Any) -> Settings:
    """The settings of this process. Raises ``SettingsError`` naming each wrong variable."""
    try:
        return Settings(**overrides)
    except ValidationError as error:
        given = _given_values()
        raise SettingsError([_sentence(problem, given) for problem in error.errors()]) from None
    except UnicodeDecodeError:
        raise SettingsError(["The file .env is not UTF-8 text; save it as UTF-8."]) from None
    except OSError as error:
        raise SettingsError([f"The file .env cannot be read ({error.strerror})."]) from None


_ALLOWED = {
    "int_parsing": "a whole number",
    "greater_than_equal": "at least {ge}",
    "less_than_equal": "at most {le}",
    "literal_error": "one of {expected}",
    "string_pattern_mismatch": "digits",
    "string_too_short": "something, not nothing",
    "string_too_long": "at most {max_length} characters",
}


def _sentence(problem: Any, given: dict[str, str]) -> str:
    name = str(problem["loc"][0])
    context = problem.get("ctx") or {}
    if problem["type"] == "value_error":
        allowed = str(context.get("error", problem["msg"])).removeprefix("must be ")
    elif problem["type"] in _ALLOWED:
        allowed = _ALLOWED[problem["type"]].format(**context)
    else:
        allowed = str(problem["msg"])
    return f"{name} is {given.get(name, '(unset)')!r}, which is not valid; it must be {allowed}."


def _given_values() -> dict[str, str]:
    """What the environment and .env hold, for error sentences; secrets are never among them."""
    secret = ("TOKEN", "SECRET", "KEY", "PASSWORD")
    merged = {**dotenv_values(".env"), **os.environ}
    return {
        name: ("(hidden)" if any(word in name for word in secret) else _without_login(value))
        for name, value in merged.items()
        if value is not None
    }


def _without_login(value: str) -> str:
    """An address without the ``user:password@`` it may hold."""
    return re.sub(r"//[^/\s]*@", "//(hidden)@", value)
