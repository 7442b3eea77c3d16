"""/cost in Discord: its text at once, its repairs one press away, its refusal private."""

from __future__ import annotations

from bot.commands.cost import COMMAND
from tests.bot.integrations.discord_client.conftest import World
from tests.bot.integrations.discord_client.messages import labels


async def test_the_answer_its_repairs_and_its_refusal(world: World) -> None:
    async with world.bot({"cost": COMMAND}):
        alice = world.fake.user("alice")
        asked = {"model": "openai/gpt-oss-120b", "gpu": "h100", "requests_per_day": 200_000.0}
        reply = await alice.slash("cost", asked)
        assert reply.type == 4 and not reply.ephemeral
        assert "a month from" in reply.text and "demand D" in reply.text
        assert "genai-prices" in reply.text
        message = await reply.edited()
        assert set(reply.files) == {"chart.png"}
        assert {"One replica, no spare", "Change inputs", "Assumptions"} <= set(labels(message))
        assumed = await alice.click(message, "Assumptions")
        assert assumed.ephemeral and "730 hours" in assumed.text
        alone = await alice.click(message, "One replica, no spare")
        assert "of 1 replica" in alone.text
        refused = await alice.slash("cost", {"model": "gpt-os-120b"})
        assert refused.ephemeral and "gpt-oss-120b" in refused.text
        assert "Use openai/gpt-oss-120b" in labels(refused.message)
