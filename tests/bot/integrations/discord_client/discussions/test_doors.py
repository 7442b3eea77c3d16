"""The button "Post to Discussions" under an answer, with the real client and the real outbox."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from bot.integrations.discord_client import following
from bot.outbox import Later, Never
from bot.results import Deleter
from bot.view import Chart
from tests.bot.integrations.discord_client import pace
from tests.bot.integrations.discord_client.conftest import World
from tests.bot.integrations.discord_client.discussing import Posting
from tests.bot.integrations.discord_client.messages import custom_ids, labels, links
from tests.bot.integrations.discord_client.test_jobs import COMMANDS, RESULT, answered
from tests.bot.integrations.discord_client.test_jobs import asked as job_asked
from tests.bot.integrations.discuss.github import until
from tests.fakes.discord import Reply, message_text
from tests.fakes.jobs import FakeJobs

LABEL = "Post to Discussions"
LINK = "https://github.com/mlsystems/site/discussions/41"


@pytest.fixture
def posting(world: World) -> Posting:
    return Posting(world)


async def sent(posting: Posting, first: Reply, name: str = "alice", **values: object) -> Reply:
    """Press, fill in and send."""
    person = posting.member(name)
    form = (await person.click(first.message, LABEL)).modal
    return await person.submit(form, values)


async def linked(reply: Reply) -> Reply:
    """Wait until the private answer has the link."""
    await reply.finished(lambda r: "It is in Discussions" in r.text)
    return reply


async def test_a_posted_answer_links_to_its_discussion_and_says_so_itself(posting: Posting) -> None:
    async with posting.bot():
        first = await posting.asked(gpus=2)
        person = posting.member()
        form = (await person.click(first.message, LABEL)).modal
        assert form.title == LABEL
        assert form.values == {"Title": "Pace: 20 requests/s on 2x h100"}
        reply = await person.submit(form, {"Title": "Two of them", "Category": "Q&A"})
        assert reply.ephemeral and reply.type == 4
        await linked(reply)
        assert links(reply.message) == [LINK]
        post = await posting.github.took()
        assert (post.title, post.category) == ("Two of them", "Q&A")
        await first.finished(lambda r: LABEL not in labels(r.message))
        assert labels(first.message) == ["Change inputs", "Assumptions", "Discussion", "Page"]
        assert LINK in links(first.message) and first.files and "20 requests/s" in first.text
        assert first.pings == reply.pings == set()


async def test_the_likely_category_is_chosen_already(posting: Posting) -> None:
    async with posting.bot():
        reply = await linked(await sent(posting, await posting.asked()))
        assert (await posting.github.took()).category == "General"
        assert reply.ephemeral


async def test_without_a_repository_or_away_from_home_there_is_no_button(world: World) -> None:
    async with world.bot():
        alice = world.fake.user("alice")
        assert LABEL not in labels((await alice.slash("pace", {"gpu": "h100"})).message)
    posting = Posting(world)
    async with posting.bot():
        away = await posting.member().slash("pace", {"gpu": "h100"}, guild=world.fake.other)
        assert LABEL not in labels(away.message)
        result_id = custom_ids(away.message)[0].split(":")[2]
        crafted = await posting.member().press_unseen(away.message, f"k2c:discuss:{result_id}")
        assert "only in the community's own server" in crafted.text
        refused = await posting.member().slash("pace", {"gpu": "h1000"})
        assert LABEL not in labels(refused.message)


async def test_who_may_not_post_reads_who_may(posting: Posting) -> None:
    async with posting.bot():
        first = await posting.asked()
        bob = posting.world.fake.user("bob")
        reply = await bob.click(first.message, LABEL)
        role = posting.world.fake.home.role("contributors").id
        assert reply.ephemeral and f"is for <@&{role}> and moderators" in reply.text
        assert reply.pings == set()
        mod = posting.world.fake.user("mod", roles=("moderators",))
        assert (await mod.click(first.message, LABEL)).modal.title == LABEL


async def test_a_right_that_was_taken_while_the_form_was_open_counts_no_more(
    posting: Posting,
) -> None:
    async with posting.bot():
        first = await posting.asked()
        alice = posting.member()
        form = (await alice.click(first.message, LABEL)).modal
        alice.roles = ()
        assert "and moderators" in (await alice.submit(form)).text
        assert posting.github.posts == {}


async def test_over_the_limit_one_reads_when_it_goes_on(posting: Posting) -> None:
    async with posting.bot():
        await posting.limit(1)
        first, second = await posting.asked(), await posting.asked(gpus=2)
        form = (await posting.member().click(second.message, LABEL)).modal
        await linked(await sent(posting, first))
        over = await posting.member().click(second.message, LABEL)
        assert "You can post again <t:" in over.text and ":R>" in over.text
        crafted = await posting.member().submit(form)
        await crafted.finished(lambda r: "You can post again <t:" in r.text)
        other = await linked(await sent(posting, second, "carol"))
        assert links(other.message) and len(posting.github.posts) == 2


async def test_a_second_press_gets_the_link_and_posts_nothing(posting: Posting) -> None:
    async with posting.bot():
        first = await posting.asked()
        result_id = custom_ids(first.message)[0].split(":")[2]
        form = (await posting.member("bob").click(first.message, LABEL)).modal
        await linked(await sent(posting, first))
        again = await posting.member("bob").press_unseen(first.message, f"k2c:discuss:{result_id}")
        assert links(again.message) == [LINK]
        late = await linked(await posting.member("bob").submit(form))
        assert links(late.message) == [LINK]
        assert len(posting.github.posts) == 1


async def test_a_private_answer_is_posted_by_its_asker_alone(posting: Posting) -> None:
    async with posting.bot() as bot:
        here = posting.world.fake.home.channels[0]
        private = await posting.member().slash(
            "pace", {"gpu": "h100"}, channel=here, user_install=True
        )
        await private.edited()
        result_id = custom_ids(private.message)[0].split(":")[2]
        public = await posting.asked("bob")
        theirs = await posting.member("bob").press_unseen(
            public.message, f"k2c:discuss:{result_id}"
        )
        assert "only who asked for it" in theirs.text
        form = (await posting.member("bob").click(public.message, LABEL)).modal
        form.json["custom_id"] = f"k2c:post:{result_id}"
        crafted = await posting.member("bob").submit(form)
        await crafted.finished(lambda r: "only who asked for it" in r.text)
        own = await posting.member().click(private.message, LABEL)
        done = await linked(await posting.member().submit(own.modal))
        assert links(done.message) == [LINK]
        row = await bot.parts.results.get(result_id)
        assert row is not None and row.private
        assert await posting.discussing.origin_of(41) is None, "nobody else sees that message"


async def test_an_answer_deleted_while_the_form_was_open_is_not_posted(posting: Posting) -> None:
    async with posting.bot() as bot:
        first = await posting.asked()
        form = (await posting.member().click(first.message, LABEL)).modal
        result_id = custom_ids(first.message)[0].split(":")[2]
        await bot.parts.results.delete(result_id, by=Deleter(user_id=posting.member().id))
        reply = await posting.member().submit(form)
        assert "no longer kept" in reply.text and posting.github.posts == {}


async def test_a_form_sent_after_a_restart_posts(posting: Posting) -> None:
    async with posting.bot():
        first = await posting.asked()
        form = (await posting.member().click(first.message, LABEL)).modal
    async with posting.bot():
        reply = await linked(await posting.member().submit(form))
        assert links(reply.message) == [LINK]


async def test_a_post_that_github_took_after_a_restart_is_told_all_the_same(
    posting: Posting,
) -> None:
    posting.github.error = Later("GitHub answers 503", 0.2)
    async with posting.bot():
        first = await posting.asked()
        reply = await sent(posting, first)
        await until(lambda: posting.github.tries)
        again = await posting.member("bob").click(first.message, LABEL)
        assert "Posting to Discussions" in reply.text and again.ephemeral
        assert "503" in again.text or "Posting to Discussions" in again.text
    posting.github.error = None
    async with posting.bot():
        await posting.github.took()
        await first.finished(lambda r: LINK in links(r.message))
    async with posting.bot():
        assert await posting.discussing.untold() == []
        assert len(posting.github.posts) == 1


async def test_what_github_refuses_is_said_and_can_be_tried_again(posting: Posting) -> None:
    posting.github.error = Never("there is no category General")
    async with posting.bot():
        first = await posting.asked()
        reply = await sent(posting, first)
        await reply.finished(lambda r: "there is no category General" in r.text)
        posting.github.error = None
        done = await linked(await sent(posting, first, Category="Q&A"))
        assert links(done.message) == [LINK]


async def test_while_no_category_is_known_one_is_told_to_wait(posting: Posting) -> None:
    posting.categories = []
    async with posting.bot():
        first = await posting.asked()
        reply = await posting.member().click(first.message, LABEL)
        assert "Try again in a minute" in reply.text


async def test_a_crafted_category_or_an_empty_title_is_refused(posting: Posting) -> None:
    async with posting.bot():
        first = await posting.asked()
        form = (await posting.member().click(first.message, LABEL)).modal
        category = form.json["components"][1]["component"]
        category["options"].append({"label": "Secret", "value": "Secret"})
        reply = await posting.member().submit(form, {"Category": "Secret"})
        await reply.finished(lambda r: "no such category" in r.text)
        blank = await posting.member().submit(form, {"Title": "\u200b \u200b"})
        await blank.finished(lambda r: "needs a title" in r.text)
        assert posting.github.posts == {}


async def test_many_categories_fit_the_menu(posting: Posting) -> None:
    posting.categories = [f"Category {n}" for n in range(40)] + ["General", "x" * 200]
    async with posting.bot():
        first = await posting.asked()
        form = (await posting.member().click(first.message, LABEL)).modal
        options = form.json["components"][1]["component"]["options"]
        assert len(options) == 25 and options[0]["label"] == "General" and options[0]["default"]


async def test_the_answer_keeps_its_link_when_it_is_drawn_again(posting: Posting) -> None:
    from bot.render.chart import ChartBusy

    posting.world.charts.error = ChartBusy("many")
    async with posting.bot():
        first = await posting.asked()
        await linked(await sent(posting, first))
        await first.finished(lambda r: LINK in links(r.message))
        posting.world.charts.error = None
        await posting.member().click(first.message, "Chart")
        await first.finished(lambda r: r.files)
        assert LINK in links(first.message) and LABEL not in labels(first.message)


async def test_the_answer_of_a_job_keeps_its_asker_when_it_gets_its_link(
    posting: Posting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "EVERY_S", 0.05)
    posting.world.jobs = jobs = FakeJobs()
    async with posting.bot(COMMANDS):
        alice, _ = await job_asked(posting.world)
        alice.roles = ("contributors",)
        await jobs.end(jobs.newest.row.id, result=RESULT)
        answer = await answered(posting.world)
        assert LABEL in labels(answer.json) and answer.pings == {alice.id}
        form = (await alice.click(answer.json, LABEL)).modal
        await linked(await alice.submit(form))
        await until(lambda: LINK in links(answer.json))
        assert f"<@{alice.id}>" in message_text(answer.json) and len(answer.events) >= 2
        body = (await posting.github.took()).body
        assert "Asked and posted by **Alice**" in body


async def test_who_asked_and_who_posted_are_both_named(posting: Posting) -> None:
    async with posting.bot():
        first = await posting.asked()
        await linked(await sent(posting, first, "bob"))
        body = (await posting.github.took()).body
        assert "Asked by **Alice** in Discord, posted by **Bob**" in body


async def test_a_link_that_comes_late_does_not_bring_a_deleted_answer_back(
    posting: Posting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its picture is drawn anew for the message with the link, and that takes long."""
    begun, go_on, png = asyncio.Event(), asyncio.Event(), posting.world.charts.png

    async def slow(chart: Chart) -> bytes:
        begun.set()
        await go_on.wait()
        return await png(chart)

    async with posting.bot():
        first = await posting.asked()
        monkeypatch.setattr(posting.world.charts, "png", slow)
        await linked(await sent(posting, first))
        await asyncio.wait_for(begun.wait(), 30)
        details = await posting.member().click(first.message, "Assumptions")
        await posting.member().click(details.message, "Delete this answer")
        await first.finished(lambda r: "deleted" in r.text)
        go_on.set()
        assert posting.service is not None
        async with asyncio.timeout(30):
            while await posting.service.untold():  # noqa: ASYNC110 -- a row has no event
                await asyncio.sleep(0.01)
        assert "deleted" in first.text and first.files == {}


async def test_who_deletes_a_posted_answer_is_told_that_its_discussion_stays(
    posting: Posting,
) -> None:
    async with posting.bot():
        first = await posting.asked()
        await linked(await sent(posting, first))
        details = await posting.member().click(first.message, "Assumptions")
        done = await posting.member().click(details.message, "Delete this answer")
        assert f"Its Discussion stays; who may, deletes it on GitHub: <{LINK}>" in done.text


async def test_what_the_running_bot_says_of_itself_is_not_posted(posting: Posting) -> None:
    async def live(house: object, request: pace.PaceRequest, asker: object) -> pace.PaceResult:
        return pace.PaceResult(pace=1.0)

    async with posting.bot({"pace": replace(pace.command(), live=live)}):
        reply = await posting.asked()
        assert LABEL not in labels(reply.message)
        result_id = links(reply.message)[0].rpartition("/")[2]
        crafted = await posting.member().press_unseen(reply.message, f"k2c:discuss:{result_id}")
        assert "no answer that could be posted" in crafted.text
