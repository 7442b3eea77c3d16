"""The operator's check is no slash command, and says when a job could see a secret."""

from __future__ import annotations

from bot.commands.selfcheck import COMMAND, show
from bot.view import Heading, Text, plain
from compute.selfcheck import SelfcheckRequest, SelfcheckResult

RESULT = SelfcheckResult(
    python="3.11.7", system="Linux x86_64", cores=2, gpu="", gpu_memory_gib=0.0, sm=0,
    torch="2.13.0", steps=4, file_sha256="ab" * 32, secrets=(),
)  # fmt: skip


def test_it_is_not_offered_in_discord() -> None:
    assert not COMMAND.slash


def test_it_says_that_a_worker_answers() -> None:
    (heading, *_) = show(SelfcheckRequest(), RESULT).blocks
    assert isinstance(heading, Heading) and plain(heading.words) == "A worker answers."


def test_a_secret_in_a_jobs_environment_is_said_by_name() -> None:
    view = show(SelfcheckRequest(), RESULT.model_copy(update={"secrets": ("HF_TOKEN",)}))
    words = [plain(block.words) for block in view.blocks if isinstance(block, Text)]
    assert any("HF_TOKEN" in line for line in words)
