"""Which channels a Discussion belongs to, by its category."""

from __future__ import annotations

from bot.community.service import CommunityBook
from bot.community.topics import channels_of_category, topic_names
from bot.community.words import CategorySetting, ChannelSetting
from tests.bot.community.conftest import HOME, MOD

EVERY = ChannelSetting(HOME, "discussions", "10")
SERVING = ChannelSetting(HOME, "discussions", "11", "inference")
QUANTIZED = ChannelSetting(HOME, "discussions", "12", "quantization")


async def told(book: CommunityBook, category: str) -> list[str]:
    found = channels_of_category(book, "discussions", category, topic_names())
    return [one.channel_id for one in found]


async def test_a_topic_has_the_category_that_was_set_for_it_or_that_of_its_name(
    book: CommunityBook,
) -> None:
    for setting in (EVERY, SERVING, QUANTIZED, CategorySetting(HOME, "quantization", "Kernels")):
        await book.set(setting, MOD)
    assert await told(book, "Inference & Serving") == ["10", "11"]
    assert await told(book, "Kernels") == ["10", "12"]
    assert await told(book, "Quantization") == ["10"]
    assert await told(book, "General") == ["10"]


async def test_a_channel_of_two_topics_is_told_of_both(book: CommunityBook) -> None:
    for topic in ("inference", "quantization"):
        await book.set(ChannelSetting(HOME, "discussions", "11", topic), MOD)
    assert await told(book, "Inference & Serving") == await told(book, "Quantization") == ["11"]
    assert await told(book, "Agents") == []


async def test_the_category_of_all_other_topics_is_of_none(book: CommunityBook) -> None:
    await book.set(CategorySetting(HOME, "", "General"), MOD)
    await book.set(SERVING, MOD)
    assert await told(book, "General") == []
    assert await told(book, "Inference & Serving") == ["11"]
