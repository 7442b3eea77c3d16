"""A wrong setting is one sentence, a secret is in none, and every setting is documented."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from config.settings import Settings, SettingsError, default_values, load_settings

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
ROW = re.compile(
    r"^\| `(?P<name>\w+)` \| (?:`(?P<default>[^`]*)`)? ?\| (?P<allowed>[^|]+) \|", re.M
)
ROWS = {row["name"]: row for row in ROW.finditer(DOCUMENT)}
NAMES = {str(info.validation_alias): field for field, info in Settings.model_fields.items()}


@pytest.fixture(autouse=True)
def no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)  # away from a developer's .env
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)


def problems(monkeypatch: pytest.MonkeyPatch, **given: str) -> list[str]:
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    return caught.value.problems


def test_with_nothing_given_the_defaults_hold() -> None:
    settings = load_settings()
    assert settings.discord_token is None
    assert settings.home_guild_ids == ()
    assert (settings.http_host, settings.http_port) == ("127.0.0.1", 8080)
    assert settings.data_dir == Path("data")


@pytest.mark.parametrize(
    ("name", "given", "allowed"),
    [
        ("K2C_HTTP_PORT", "eighty", "a whole number"),
        ("K2C_HTTP_PORT", "80.5", "a whole number"),
        ("K2C_HTTP_PORT", "65536", "at most 65535"),
        ("K2C_HTTP_PORT", "-1", "at least 0"),
        ("K2C_HTTP_PORT", "9" * 30, "at most 65535"),
        ("K2C_HTTP_HOST", "h" * 256, "at most 255 characters"),
        ("K2C_RETENTION_DAYS", "0", "at least 1"),
        ("K2C_LOG_LEVEL", "LOUD", "one of 'DEBUG', 'INFO', 'WARNING' or 'ERROR'"),
        ("DISCORD_GUILD_ID", "123,home", "server ids (digits) with commas between; 'home' is not"),
        ("DISCORD_GUILD_ID", "-5", "server ids (digits) with commas between; '-5' is not"),
        ("DISCORD_GUILD_ID", "١٢٣", "server ids (digits) with commas between; '١٢٣' is not"),
        ("K2C_SITE_URL", "mlsystems.dev", "a full address such as https://example.org"),
        ("K2C_PUBLIC_URL", "ftp://x", "a full address such as https://example.org"),
        ("K2C_PUBLIC_URL", "https://x:port", "a full address such as https://example.org"),
        ("K2C_PUBLIC_URL", "https://:80", "a full address such as https://example.org"),
        ("DISCORD_API_BASE", "http://[", "a full address such as https://example.org"),
        ("HF_ENDPOINT", "javascript:alert(1)", "a full address such as https://example.org"),
        ("K2C_NATS_LISTEN", "4222", "host:port such as 0.0.0.0:4222"),
        ("K2C_NATS_LISTEN", "0.0.0.0:", "host:port such as 0.0.0.0:4222"),
        ("K2C_NATS_LISTEN", "0.0.0.0:0", "host:port such as 0.0.0.0:4222"),
        ("K2C_NATS_LISTEN", "::1:4222x", "host:port such as 0.0.0.0:4222"),
        ("K2C_NATS_PUBLIC_URL", "nats://x:4222", "tls://host:port or wss://host"),
        ("K2C_NATS_PUBLIC_URL", "gpu.example.org", "tls://host:port or wss://host"),
        (
            "K2C_NATS_URL",
            "tls://a:4222,b",
            "addresses such as tls://nats.example.org:4222, commas between",
        ),
        (
            "DISCORD_GATEWAY_URL",
            "https://gateway.example.org",
            "a WebSocket address such as wss://gateway.example.org",
        ),
    ],
)
def test_a_wrong_value_names_the_variable_what_was_given_and_what_is_allowed(
    monkeypatch: pytest.MonkeyPatch, name: str, given: str, allowed: str
) -> None:
    [sentence] = problems(monkeypatch, **{name: given})
    assert sentence == f"{name} is {given!r}, which is not valid; it must be {allowed}."


def test_addresses_of_the_queue_that_are_right_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("K2C_NATS_URL", " tls://a:4222 , tls://b:4222,")
    monkeypatch.setenv("K2C_NATS_LISTEN", "[::]:4222")
    monkeypatch.setenv("K2C_NATS_PUBLIC_URL", "wss://gpu.example.org")
    settings = load_settings()
    assert settings.nats_url == "tls://a:4222,tls://b:4222"
    assert settings.nats_listen == "[::]:4222"
    assert settings.nats_public_url == "wss://gpu.example.org"


def test_all_wrong_values_are_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    told = problems(monkeypatch, K2C_HTTP_PORT="x", K2C_LOG_LEVEL="x", K2C_USER_PER_MINUTE="0")
    assert sorted(sentence.split()[0] for sentence in told) == [
        "K2C_HTTP_PORT",
        "K2C_LOG_LEVEL",
        "K2C_USER_PER_MINUTE",
    ]


@pytest.mark.parametrize("name", sorted(NAMES.keys() - {"K2C_ARTICLES"}))
@pytest.mark.parametrize("empty", ["", " ", "\t\n"])
def test_an_empty_value_is_unset(monkeypatch: pytest.MonkeyPatch, name: str, empty: str) -> None:
    before = load_settings()
    monkeypatch.setenv(name, empty)
    assert load_settings() == before


@pytest.mark.parametrize("empty", ["", " ", ","])
def test_no_articles_at_all_is_a_wish_of_its_own(
    monkeypatch: pytest.MonkeyPatch, empty: str
) -> None:
    assert load_settings().articles == ("content/articles",)
    monkeypatch.setenv("K2C_ARTICLES", empty)
    assert load_settings().articles == ()
    assert load_settings(articles=("posts",)).articles == ("posts",)


@pytest.mark.parametrize(
    ("name", "wrong", "allowed"),
    [
        ("GITHUB_REPOSITORY", "mlsystems", "owner/name"),
        ("GITHUB_REPOSITORY", "https://github.com/a/b", "owner/name"),
        ("GITHUB_PICTURES", "a/b", "owner/name@branch"),
        ("GITHUB_APP_ID", "k2c", "digits"),
        ("K2C_POLL_S", "1", "at least 5"),
    ],
)
def test_a_wrong_github_setting_is_a_sentence(
    monkeypatch: pytest.MonkeyPatch, name: str, wrong: str, allowed: str
) -> None:
    (told,) = problems(monkeypatch, **{name: wrong})
    assert name in told and allowed in told


def test_space_around_a_value_is_not_part_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISCORD_TOKEN", " abc\n")
    monkeypatch.setenv("K2C_PUBLIC_URL", " https://bot.example.org/ ")
    monkeypatch.setenv("DISCORD_GUILD_ID", " 1 , 2,, ")
    settings = load_settings()
    assert settings.discord_token is not None
    assert settings.discord_token.get_secret_value() == "abc"
    assert settings.public_url == "https://bot.example.org"
    assert settings.home_guild_ids == (1, 2)


def test_the_environment_goes_over_the_file_and_the_file_over_the_defaults(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("K2C_HTTP_PORT=81\nK2C_RETENTION_DAYS=7\nOTHERS_NAME=x\n")
    monkeypatch.setenv("K2C_HTTP_PORT", "82")
    settings = load_settings()
    assert (settings.http_port, settings.retention_days) == (82, 7)
    assert settings.user_per_minute == default_values()["K2C_USER_PER_MINUTE"]


def test_a_wrong_value_of_the_file_is_shown_too(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("K2C_HTTP_PORT=eighty\n")
    with pytest.raises(SettingsError, match="K2C_HTTP_PORT is 'eighty'"):
        load_settings()


def test_a_file_that_is_no_text_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"K2C_HTTP_PORT=\xff\xfe\n")
    with pytest.raises(SettingsError, match=r"\.env is not UTF-8"):
        load_settings()


def test_no_secret_is_in_a_sentence_or_in_the_words_of_the_settings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DISCORD_TOKEN", "MTA.very.secret")
    settings = load_settings()
    assert "very" not in repr(settings) + str(settings) + settings.model_dump_json()
    told = problems(
        monkeypatch, K2C_HTTP_PORT="x", DISCORD_API_BASE="ftp://me:pa@ssw0rd@proxy.example.org"
    )
    assert "very" not in "".join(told)
    assert "ssw0rd" not in "".join(told)
    assert "proxy.example.org" in "".join(told)


def test_every_setting_is_documented_and_nothing_else_is() -> None:
    assert set(ROWS) == set(NAMES)


@pytest.mark.parametrize("name", sorted(NAMES))
def test_the_documented_default_is_the_real_one(name: str) -> None:
    assert (ROWS[name]["default"] or "") == str(default_values().get(name, ""))


@pytest.mark.parametrize("name", [n for n, row in ROWS.items() if " to " in row["allowed"]])
def test_the_documented_range_is_the_real_one(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    low, high = (int(bound) for bound in ROWS[name]["allowed"].split(" to "))
    for allowed in (low, high):
        monkeypatch.setenv(name, str(allowed))
        assert getattr(load_settings(), NAMES[name]) == allowed
    for beyond in (low - 1, high + 1):
        assert problems(monkeypatch, **{name: str(beyond)})


def test_every_default_belongs_to_a_setting() -> None:
    assert set(default_values()) <= set(NAMES)
