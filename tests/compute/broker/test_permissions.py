"""What a worker may do on the queue works; everything else is denied by the server itself."""

from __future__ import annotations

import asyncio
import io
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error, NoRespondersError
from nats.js import JetStreamContext
from nats.js.api import ObjectMeta, ObjectMetaOptions
from nats.js.errors import APIError, NotFoundError
from nats.js.object_store import ObjectStore

from compute.broker.config import RENAMED
from compute.broker.permissions import Worker, of_worker
from compute.jobs.connection import connect
from compute.jobs.streams import CHUNK_BYTES, ensure_lane, ensure_streams, ensure_worker_bucket
from compute.jobs.subjects import STREAM, Timing
from tests.fakes.broker import Broker, running_broker

ONE = b'{"batch":1,"no_wait":true}'
NEXT = f"$JS.API.CONSUMER.MSG.NEXT.{STREAM}.lane-"


@dataclass
class Scene:
    """A queue with two lanes, a job on each, a bot and two workers who are strangers."""

    broker: Broker
    bot: Client
    js: JetStreamContext
    eve: Client  # added for lane any
    anna: Client  # added for lane cuda
    heard: asyncio.Queue[str]  # what the server told eve was not for her

    async def settle(self) -> None:
        """Until everything said so far is done."""
        await self.eve.flush()
        await self.bot.flush()

    async def messages(self, stream: str) -> int:
        return (await self.js.stream_info(stream)).state.messages


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    async with running_broker() as broker, broker.client() as bot:
        js = bot.jetstream()
        await ensure_streams(js, Timing())
        for lane in ("any", "cuda"):
            await ensure_lane(js, lane, Timing())
            await js.publish(f"jobs.{lane}.job-{lane}", b"work")
        for name in ("eve", "anna"):
            await ensure_worker_bucket(js, name, Timing())
        eve, anna = broker.worker("eve", "any"), broker.worker("anna", "cuda")
        async with broker.client(eve) as one, broker.client(anna) as two:
            heard = asyncio.Queue[str]()
            before = one._error_cb

            async def hear(error: Exception) -> None:
                heard.put_nowait(str(error))
                await before(error)

            one._error_cb = hear
            yield Scene(broker, bot, js, one, two, heard)


async def pull(client: Client, lane: str) -> Msg | None:
    """One no-wait pull, as a worker does it; None where there is nothing or no answer."""
    inbox, arrived = client.new_inbox(), asyncio.Queue[Msg]()
    subscription = await client.subscribe(f"{inbox}.*", cb=arrived.put)
    await client.publish(f"{NEXT}{lane}", ONE, reply=f"{inbox}.1")
    try:
        message = await asyncio.wait_for(arrived.get(), 0.5)
    except TimeoutError:
        return None
    finally:
        await subscription.unsubscribe()
    return message if message.subject.startswith("jobs.") else None


async def test_a_worker_pulls_renews_and_acknowledges_on_its_lane(scene: Scene) -> None:
    names = await scene.eve.request(f"$JS.API.CONSUMER.NAMES.{STREAM}", b"", timeout=2)
    assert b"lane-any" in names.data
    message = await pull(scene.eve, "any")
    assert message is not None and message.subject == "jobs.any.job-any"
    assert message.metadata.num_delivered == 1
    await scene.eve.request(message.reply, b"+WPI", timeout=2)
    await scene.eve.request(message.reply, b"+ACK", timeout=2)
    assert await scene.messages(STREAM) == 1  # the other lane's


async def test_a_worker_writes_reads_and_removes_its_own_states_and_card(scene: Scene) -> None:
    js = scene.eve.jetstream()
    for subject in ("$KV.state.eve.job", "$KV.workers.eve"):
        bucket = "KV_" + subject.split(".")[1]
        first = await js.publish(subject, b"one", headers={EXPECTED: "0"})
        with pytest.raises(APIError):
            await js.publish(subject, b"two", headers={EXPECTED: "0"})
        await js.publish(subject, b"two", headers={EXPECTED: str(first.seq)})
        assert (await js.get_msg(bucket, subject=subject, direct=True)).data == b"two"
        await js.publish(subject, b"", headers={"KV-Operation": "DEL"})


async def test_a_worker_reads_what_the_bot_says_of_itself(scene: Scene) -> None:
    await scene.js.publish("$KV.bot.info", b"hello")
    found = await scene.eve.jetstream().get_msg("KV_bot", subject="$KV.bot.info", direct=True)
    assert found.data == b"hello"


async def test_a_worker_hears_bells_and_its_own_cancels_only(scene: Scene) -> None:
    heard = asyncio.Queue[Msg]()
    for subject in ("bell.*", "cancel.eve", "cancel.anna"):
        await scene.eve.subscribe(subject, cb=heard.put)
    await scene.settle()
    for subject in ("cancel.anna", "cancel.eve", "bell.any"):
        await scene.bot.publish(subject, b"job")
    await scene.settle()
    assert {(await heard.get()).subject for _ in range(2)} == {"cancel.eve", "bell.any"}
    assert heard.empty()


async def test_300_kb_and_20_mb_go_into_a_workers_own_store_and_come_back(scene: Scene) -> None:
    bucket = "artefacts-eve"
    own = ObjectStore(name=bucket, stream=f"OBJ_{bucket}", js=scene.eve.jetstream())
    for name, size in (("job/small.csv", 300_000), ("job/large.csv", 20_000_000)):
        meta = ObjectMeta(name=name, options=ObjectMetaOptions(max_chunk_size=CHUNK_BYTES))
        await own.put(name, b"x" * size, meta)
        into = io.BytesIO()
        store = await scene.js.object_store(bucket)
        await store.get(name, writeinto=into)
        assert len(into.getvalue()) == size


EXPECTED = "Nats-Expected-Last-Subject-Sequence"
LISTENING = [">", "jobs.>", "$KV.>", "_INBOX.>", "_INBOX_bot.>", "_INBOX_anna.>", "cancel.*"]
FORBIDDEN = [
    "jobs.any.forged",
    "bell.any",
    "cancel.anna",
    "$KV.state.anna.job",
    "$KV.state.job",
    "$KV.workers.anna",
    "$KV.bot.info",
    "$O.artefacts-anna.C.chunk",
    "$O.artefacts-anna.M.name",
    f"$JS.ACK.{STREAM}.lane-cuda.1.2.1.1.0",
    "_INBOX_anna.x",
    "_INBOX_bot.x",
    "$SYS.REQ.SERVER.PING",
    "$SRV.PING",
]
QUESTIONS = [
    f"{NEXT}cuda",
    f"$JS.API.STREAM.INFO.{STREAM}",
    "$JS.API.STREAM.INFO.KV_state",
    "$JS.API.STREAM.INFO.KV_workers",
    "$JS.API.STREAM.NAMES",
    f"$JS.API.STREAM.MSG.GET.{STREAM}",
    f"$JS.API.STREAM.MSG.DELETE.{STREAM}",
    f"$JS.API.STREAM.PURGE.{STREAM}",
    f"$JS.API.STREAM.DELETE.{STREAM}",
    f"$JS.API.STREAM.UPDATE.{STREAM}",
    "$JS.API.STREAM.CREATE.mine",
    f"$JS.API.CONSUMER.CREATE.{STREAM}",
    f"$JS.API.CONSUMER.DURABLE.CREATE.{STREAM}.mine",
    f"$JS.API.CONSUMER.DELETE.{STREAM}.lane-any",
    f"$JS.API.CONSUMER.INFO.{STREAM}.lane-any",
    f"$JS.API.DIRECT.GET.{STREAM}",
    "$JS.API.DIRECT.GET.KV_state",
    "$JS.API.DIRECT.GET.KV_state.$KV.state.anna.job",
    "$JS.API.DIRECT.GET.KV_workers.$KV.workers.anna",
    "$JS.API.STREAM.MSG.GET.KV_state",
    "$JS.API.STREAM.MSG.GET.OBJ_artefacts-anna",
    "$JS.API.STREAM.PURGE.KV_state",
    "$JS.API.STREAM.PURGE.OBJ_artefacts-anna",
    "$JS.API.CONSUMER.CREATE.KV_state",
    "$JS.API.INFO",
    "$JS.API.ACCOUNT.PURGE.K2C",
    "queue.api.STREAM.INFO.KV_state",
]


async def test_what_a_worker_may_not_say_is_denied(scene: Scene) -> None:
    heard = asyncio.Queue[Msg]()
    for subject in FORBIDDEN:
        await scene.bot.subscribe(subject, cb=heard.put)
    await scene.settle()
    for subject in FORBIDDEN:
        await scene.eve.publish(subject, b"forged")
    await scene.settle()
    assert await denied(scene, len(FORBIDDEN)) == sorted(subject.lower() for subject in FORBIDDEN)
    assert heard.empty()
    assert await scene.messages(STREAM) == 2 and await scene.messages("KV_state") == 0


async def test_what_a_worker_may_not_ask_gets_no_answer(scene: Scene) -> None:
    for key in ("$KV.state.anna.job", "$KV.workers.anna"):
        await scene.js.publish(key, b"hers")
    answers, inbox = asyncio.Queue[Msg](), scene.eve.new_inbox()
    await scene.eve.subscribe(f"{inbox}.*", cb=answers.put)
    for number, subject in enumerate(QUESTIONS):
        await scene.eve.publish(subject, b'{"seq":1}', reply=f"{inbox}.{number}")
    await scene.settle()
    within = sorted(subject.replace("$JS.API", RENAMED).lower() for subject in QUESTIONS)
    assert await denied(scene, len(QUESTIONS)) == within
    assert answers.empty()
    assert await scene.messages(STREAM) == 2 and await scene.messages("KV_state") == 1


async def denied(scene: Scene, count: int) -> list[str]:
    """The next ``count`` subjects that the server did not let eve use."""
    async with asyncio.timeout(5):
        said = [await scene.heard.get() for _ in range(count)]
    assert scene.heard.empty()
    return sorted(re.findall(r'violation for \w+ (?:to )?"(.*?)"', "\n".join(said)))


async def test_a_worker_cannot_listen_to_others(scene: Scene) -> None:
    heard = asyncio.Queue[Msg]()
    for subject in LISTENING:
        await scene.eve.subscribe(subject, cb=heard.put)
    await scene.eve.flush()
    await scene.js.publish("$KV.state.anna.job", b"hers")
    await scene.bot.publish("cancel.anna", b"job")
    assert await pull(scene.anna, "cuda") is not None
    await scene.settle()
    assert heard.empty()
    assert await denied(scene, len(LISTENING)) == sorted(subject.lower() for subject in LISTENING)


@pytest.mark.parametrize(
    "target",
    ["jobs.any.forged", "$KV.state.anna.job", "$KV.workers.anna", "cancel.anna", "_INBOX_bot.x"],
)
async def test_the_server_does_not_write_for_a_worker_where_it_may_not(
    scene: Scene, target: str
) -> None:
    """An answer goes to the reply subject of the request, whoever may publish there."""
    js, heard = scene.eve.jetstream(), asyncio.Queue[Msg]()
    await js.publish("$KV.state.eve.job", b"what eve wants somebody else to read")
    for subject in ("cancel.anna", "_INBOX_bot.x"):
        await scene.bot.subscribe(subject, cb=heard.put)
    stored = {name: await scene.messages(name) for name in (STREAM, "KV_state", "KV_workers")}
    await scene.settle()
    for question in (
        "$JS.API.DIRECT.GET.KV_state.$KV.state.eve.job",
        f"{NEXT}any",
        f"$JS.API.CONSUMER.NAMES.{STREAM}",
        "$KV.state.eve.job",
    ):
        await scene.eve.publish(question, ONE, reply=target)
    await scene.settle()
    await asyncio.sleep(0.05)
    assert {name: await scene.messages(name) for name in stored} == stored
    assert heard.empty()


async def test_a_worker_cannot_remove_other_keys_by_a_rollup(scene: Scene) -> None:
    await scene.js.publish("$KV.state.anna.job", b"hers")
    await scene.js.publish("$KV.workers.anna", b"hers")
    for subject in ("$KV.state.eve.job", "$KV.workers.eve"):
        with pytest.raises(APIError, match="rollup"):
            await scene.eve.jetstream().publish(subject, b"", headers={"Nats-Rollup": "all"})
    found = await scene.js.get_msg("KV_state", subject="$KV.state.anna.job", direct=True)
    assert found.data == b"hers"
    assert await scene.messages("KV_workers") == 1


async def test_the_local_worker_serves_every_lane_and_nothing_of_another(scene: Scene) -> None:
    async with scene.broker.client(scene.broker.local) as local:
        for lane in ("any", "cuda"):
            assert await pull(local, lane) is not None
        await local.jetstream().publish("$KV.state.local.job", b"x")
        with pytest.raises(Error):
            await local.jetstream().publish("$KV.state.eve.job", b"x", timeout=0.2)


async def test_the_system_user_sees_figures_and_no_job(scene: Scene) -> None:
    async with scene.broker.client(scene.broker.system) as system:
        assert b"server_name" in (await system.request("$SYS.REQ.SERVER.PING.VARZ", b"")).data
        with pytest.raises((NoRespondersError, NotFoundError, APIError, Error)):
            await system.jetstream().stream_info(STREAM)


async def test_what_is_allowed_names_only_this_worker() -> None:
    may = of_worker(Worker("eve", "U", ("any",)))
    for subject in (*may.publish, *may.subscribe, may.inbox):
        shared = subject.startswith(("$JS.API.CONSUMER.", "$JS.ACK.JOBS.lane-any", "bell."))
        assert shared or "eve" in subject or "KV_bot" in subject, subject


async def test_a_new_worker_connects_at_once_and_disturbs_nobody(scene: Scene) -> None:
    down = asyncio.Event()
    watching = await connect(scene.broker.bot, on_down=down.set)
    loop = asyncio.get_running_loop()
    try:
        for number in range(5):
            began_s = loop.time()
            access = await asyncio.to_thread(scene.broker.worker, f"new-{number}", "any")
            async with scene.broker.client(access) as new:
                await new.jetstream().publish(f"$KV.state.new-{number}.job", b"x")
            assert loop.time() - began_s < 5  # 0.04 s alone on the machine
        await scene.eve.flush()
        assert not down.is_set() and scene.eve.stats["reconnects"] == 0
        await scene.eve.jetstream().publish("$KV.state.eve.job", b"still here")
    finally:
        await watching.close()


async def test_a_removed_worker_is_cut_off_at_once_and_others_stay(scene: Scene) -> None:
    closed = asyncio.Event()
    access = await asyncio.to_thread(scene.broker.worker, "gone", "any")
    gone = await connect(access, on_closed=closed.set)
    await asyncio.to_thread(scene.broker.remove, "gone")
    await asyncio.wait_for(closed.wait(), 10)
    assert gone.is_closed
    await scene.eve.flush()
    assert scene.eve.stats["reconnects"] == 0
    again = await asyncio.to_thread(scene.broker.worker, "gone", "cuda")
    async with scene.broker.client(again) as client:
        assert await pull(client, "cuda") is not None
        assert await pull(client, "any") is None
