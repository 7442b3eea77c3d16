"""What targets and a rate take: monotone, held where promised, and something that would hold."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compute.throughput import TOOL
from compute.throughput.plan import fewest_gpus, make_plan
from compute.throughput.request import ThroughputRequest
from compute.throughput.result import SloPlan, ThroughputResult
from compute.throughput.targets import Targets, parse_targets
from compute.tool import Refused
from tests.compute.throughput.known import PlainContext, question

models = st.sampled_from(("llama-3.1-8b", "llama-3.1-70b", "gpt-oss-120b", "Qwen/Qwen3-30B-A3B"))
gpus = st.sampled_from(("h100", "b200", "mi300x", "a100"))
limits = st.floats(1.0, 5000.0)


async def ask(**fields: Any) -> ThroughputResult:
    request = ThroughputRequest.model_validate({"model": "llama-3.1-8b", "gpu": "h100", **fields})
    return await TOOL.run(request, PlainContext())


def plan_of(model: str, gpu: str, targets: Targets, rate: float | None, **more: Any) -> SloPlan:
    return make_plan(question(model=model, gpu=gpu, gpus=4, **more), targets, rate)


@settings(max_examples=60, deadline=None)
@given(models, gpus, limits, limits, st.floats(1e-3, 1e4), st.floats(1.0, 100.0))
def test_a_higher_rate_never_takes_fewer_gpus(
    model: str, gpu: str, ttft: float, tpot: float, rate: float, factor: float
) -> None:
    targets = Targets(ttft, tpot)
    low, high = (plan_of(model, gpu, targets, each) for each in (rate, rate * factor))
    assert low.met == high.met and low.max_concurrency == high.max_concurrency
    if low.gpus is not None and high.gpus is not None:
        assert low.gpus <= high.gpus
        assert low.gpus % low.replica_gpus == 0
        assert (high.replicas or 0) * high.replica_rps >= rate * factor * 0.999


@settings(max_examples=40, deadline=None)
@given(models, gpus, limits, limits, st.booleans())
def test_what_is_promised_is_held_and_one_more_request_is_not(
    model: str, gpu: str, ttft: float, tpot: float, cached: bool
) -> None:
    targets = Targets(ttft, tpot)
    asked = question(model=model, gpu=gpu, gpus=4, cached=0.8 if cached else 0.0)
    plan = make_plan(asked, targets, None)
    if plan.met:
        served = asked.served(plan.max_concurrency)
        assert targets.held(served.ttft_s * 1e3, served.tpot_s * 1e3)
        assert (plan.at_ttft_ms, plan.at_tpot_ms) == (served.ttft_s * 1e3, served.tpot_s * 1e3)
        assert plan.replica_rps == pytest.approx(plan.max_concurrency / served.request_s)
    over = asked.served(plan.max_concurrency + 1)
    full = plan.max_concurrency == asked.capacity
    assert full or not targets.held(over.ttft_s * 1e3, over.tpot_s * 1e3)


@settings(max_examples=40, deadline=None)
@given(models, gpus, st.floats(1.0, 1000.0), st.floats(1.0, 10.0))
def test_a_looser_target_never_holds_fewer_requests(
    model: str, gpu: str, tpot: float, factor: float
) -> None:
    tight = plan_of(model, gpu, Targets(None, tpot), None)
    loose = plan_of(model, gpu, Targets(None, tpot * factor), None)
    assert loose.max_concurrency >= tight.max_concurrency


def test_a_prefix_cache_and_drafts_serve_more_from_the_same_gpus() -> None:
    targets = Targets(1000.0, 30.0)
    plain = plan_of("llama-3.1-70b", "h100", targets, 100.0, input=4000)
    cached = plan_of("llama-3.1-70b", "h100", targets, 100.0, input=4000, cached=0.8)
    drafted = plan_of("llama-3.1-70b", "h100", Targets(None, 12.0), 100.0, draft="eagle")
    undrafted = plan_of("llama-3.1-70b", "h100", Targets(None, 12.0), 100.0)
    assert cached.replica_rps > plain.replica_rps
    assert drafted.max_concurrency > undrafted.max_concurrency


async def test_every_compared_choice_has_its_plan_and_the_fewest_gpus_are_named() -> None:
    answer = await ask(gpu="a100,h200,h100", dtype="bf16,fp8", slo="ttft=2s tpot=40ms", rate=500)
    plans = [found.plan for found in answer.estimates]
    assert len(plans) == 6 and all(plan is not None and plan.met for plan in plans)
    needed = [plan.gpus for plan in plans if plan is not None and plan.gpus is not None]
    assert answer.fewest_gpus is not None
    assert needed[answer.fewest_gpus] == min(needed)
    assert answer.plan == answer.estimates[0].plan


async def test_without_targets_or_rate_there_is_no_plan() -> None:
    answer = await ask(gpu="h100,h200")
    assert [found.plan for found in answer.estimates] == [None, None]
    assert answer.plan is None and answer.fewest_gpus is None


async def test_without_a_rate_the_choice_that_serves_most_with_one_gpu_is_named() -> None:
    answer = await ask(gpu="a100,b200,h100", slo="tpot=40ms")
    plans = [found.plan for found in answer.estimates]
    each = [plan.rps_per_gpu for plan in plans if plan is not None]
    assert answer.fewest_gpus == each.index(max(each)) == fewest_gpus(plans)


@pytest.mark.parametrize(
    "fields",
    [
        {"slo": "tpot=4ms"},
        {"model": "llama-3.1-70b", "gpus": 2, "slo": "tpot=18ms"},
        {"gpu": "a100,l40s", "slo": "tpot=7ms"},
        {"gpu": "3090", "slo": "tpot=12ms"},
    ],
)
async def test_targets_nothing_holds_come_with_changes_that_do(fields: dict[str, Any]) -> None:
    answer = await ask(**fields)
    assert all(found.plan is not None and not found.plan.met for found in answer.estimates)
    assert answer.fixes
    for fix in answer.fixes:
        request = ThroughputRequest.model_validate(
            {"model": "llama-3.1-8b", "gpu": "h100"} | fields
        )
        changed = await TOOL.run(request.model_copy(update=dict(fix.changes)), PlainContext())
        assert any(found.plan is not None and found.plan.met for found in changed.estimates), fix


@pytest.mark.parametrize(
    "slo", ["ttft=500ms ttft=200ms", "tpot=30ms tps=20", "itl=30 tpot=30ms", "ttft=1s; ttft=1s"]
)
def test_a_target_given_twice_is_refused(slo: str) -> None:
    with pytest.raises(Refused, match="two limits") as raised:
        parse_targets(slo)
    assert raised.value.refusal.field == "slo" and raised.value.refusal.example


async def test_an_answer_about_targets_is_shown_at_the_load_that_holds_them() -> None:
    asked = {"model": "openai/gpt-oss-120b", "rate": 50, "slo": "tpot=30ms"}
    result = await ask(**asked)
    (found,) = result.estimates
    assert found.plan is not None and found.plan.max_concurrency > 1
    assert found.concurrency == found.plan.max_concurrency
    assert found.output_tps.value == pytest.approx(found.plan.replica_rps * result.osl)
    assert (await ask(**asked, batch=4)).estimates[0].concurrency == 4
    assert (await ask(**asked | {"slo": "tpot=0.001ms"})).estimates[0].concurrency == 1
