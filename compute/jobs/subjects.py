"""The names on the queue, and its clocks. Whoever may publish where is in compute.broker."""

from __future__ import annotations

from dataclasses import dataclass

STREAM = "JOBS"  # work queue; a message is gone once its job is acknowledged
STATE_BUCKET = "state"  # key <worker>.<job>: JobState
CARD_BUCKET = "workers"  # key <worker>: Card
INFO_BUCKET = "bot"  # key info: BotInfo
INFO_KEY = "info"


def job_subject(lane: str, job_id: str) -> str:
    """Where a job is published."""
    return f"jobs.{lane}.{job_id}"


def consumer_of(lane: str) -> str:
    """The durable pull consumer that all workers of a lane share."""
    return f"lane-{lane}"


def bell(lane: str) -> str:
    """A core message, sent once a job is stored: its subject alone would race the store."""
    return f"bell.{lane}"


def cancel_subject(worker: str) -> str:
    """Where a worker hears of jobs to stop; the payload is the job's id."""
    return f"cancel.{worker}"


def state_key(worker: str, job_id: str) -> str:
    """The key of one worker's word on one job."""
    return f"{worker}.{job_id}"


def artefact_bucket(worker: str) -> str:
    """The object store that this worker alone writes."""
    return f"artefacts-{worker}"


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds. A worker renews its lease every fifth of ``lease_s`` and kills its own job once
    0.7 of it went by unconfirmed, so that the next attempt starts after the old one is dead.
    Tests shorten all of it in step; the defaults are what was measured.
    """

    lease_s: float = 15.0
    poll_s: float = 2.0  # a safety net under the doorbell
    card_s: float = 3.0  # presence is written that often
    gone_s: float = 10.0  # without a card for that long a worker counts as gone
    progress_s: float = 1.0  # between two progress states of a job
    leash_s: float = 3.0  # a child dies when its worker was silent for that long
    patience_s: float = 45.0  # three leases for what somebody could do, and nobody does
    artefact_ttl_s: float = 86_400.0

    @property
    def renew_s(self) -> float:
        """Between two renewals of the lease."""
        return self.lease_s / 5

    @property
    def drop_s(self) -> float:
        """Unconfirmed for that long, a worker kills its job."""
        return self.lease_s * 0.7
