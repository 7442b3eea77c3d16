"""/metrics in the format of Prometheus, for a collector on this machine or its own network."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from aiohttp import web

from bot.jobs.counters import BOUNDS_S, Spread
from bot.web.errors import Problem
from bot.web.services import SERVICES

if TYPE_CHECKING:
    from prometheus_client.core import Metric


# What proxies say of whom they speak for; one that says nothing must not let /metrics through.
BY_PROXY = (
    "Forwarded",
    "X-Forwarded-For",
    "X-Forwarded-Host",
    "X-Forwarded-Proto",
    "X-Real-IP",
    "Via",
    "CF-Connecting-IP",
)


async def metrics(request: web.Request) -> web.Response:
    """Figures since the start. Strangers, and whoever comes through a proxy, get a 404."""
    if not _is_near(request):
        raise Problem(404, "There is no such page.")
    from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
    from prometheus_client.registry import CollectorRegistry

    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Figures(request))
    body = generate_latest(registry)
    return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})


class _Figures:
    """What one look at the bot says."""

    def __init__(self, request: web.Request) -> None:
        self._pulse = request.app[SERVICES].pulse
        self._jobs = request.app[SERVICES].jobs

    def collect(self) -> Iterator[Metric]:
        """Every metric, now."""
        from prometheus_client.core import GaugeMetricFamily as Gauge

        if self._pulse is not None:
            seen = self._pulse.snapshot()
            if seen.lag_p99_ms is not None:
                yield Gauge("k2c_loop_lag_p99_seconds", "event-loop lag", seen.lag_p99_ms / 1e3)
            if seen.rss_mib is not None:
                yield Gauge("k2c_resident_memory_bytes", "memory of the bot", seen.rss_mib * 2**20)
        if self._jobs is not None:
            yield from _of_jobs(self._jobs.counters())


def _of_jobs(said: Mapping[str, Any]) -> Iterator[Metric]:
    from prometheus_client.core import CounterMetricFamily as Counter
    from prometheus_client.core import GaugeMetricFamily as Gauge

    yield Gauge("k2c_queue_up", "whether the broker answers", float(said["queue_up"]))
    yield Gauge("k2c_workers_online", "workers seen lately", said["workers_online"])
    for name, text in (("queued", "runs that wait"), ("running", "runs under way")):
        by_lane = Gauge(f"k2c_jobs_{name}", text, labels=["lane"])
        for lane, number in sorted(said[name].items()):
            by_lane.add_metric([lane], number)
        yield by_lane
    ended = Counter("k2c_jobs_ended", "runs by how they ended", labels=["tool", "state", "cause"])
    for labels, number in sorted(said["ended"].items()):
        ended.add_metric(list(labels), number)
    yield ended
    yield Counter("k2c_jobs_shared", "requests that shared another's run", said["shared"])
    yield Counter("k2c_jobs_resubmitted", "runs that the broker had lost", said["resubmitted"])
    doubted = Counter("k2c_states_disbelieved", "states that were refused", labels=["worker"])
    for worker, number in sorted(said["disbelieved"].items()):
        doubted.add_metric([worker], number)
    yield doubted
    yield _histogram("k2c_job_wait_seconds", "from asked to started", said["waits"])
    yield _histogram("k2c_job_run_seconds", "run time", said["run_times"])


def _histogram(name: str, text: str, by_tool: Mapping[str, Spread]) -> Metric:
    from prometheus_client.core import HistogramMetricFamily

    family = HistogramMetricFamily(name, text, labels=["tool"])
    for tool, spread in sorted(by_tool.items()):
        total, buckets = 0, []
        for bound, number in zip((*map(str, BOUNDS_S), "+Inf"), spread.buckets, strict=True):
            total += number
            buckets.append((bound, float(total)))
        family.add_metric([tool], buckets, spread.sum_s)
    return family


def _is_near(request: web.Request) -> bool:
    """A loopback or private peer that speaks for itself: a proxy names its visitor."""
    if any(header in request.headers for header in BY_PROXY):
        return False
    try:
        return ipaddress.ip_address((request.remote or "").partition("%")[0]).is_private
    except ValueError:
        return False
