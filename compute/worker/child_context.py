"""The Context of a tool in a child: progress and files go to the worker, reads to the hub."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Any

from compute.context import LocalContext
from compute.files import MAX_FILES, check_file
from compute.jobs.job import MAX_JSON_BYTES
from compute.jobs.streams import STORE_BYTES
from compute.tool import Result
from compute.worker.wire import Answers

MAX_WORDS = 500


class ChildContext(LocalContext):
    """Files are written into ``folder``, where the worker takes them when the job is done."""

    holds_card = True  # the worker does, for its child

    def __init__(self, hub_endpoint: str, answers: Answers, folder: Path) -> None:
        super().__init__(hub_endpoint)
        self._answers = answers
        self._folder = folder
        self._sizes: dict[str, int] = {}

    async def progress(self, fraction: float, words: str, partial: Result | None = None) -> None:
        """Tell the worker; a partial result over 256 KB stays here."""
        share = min(1.0, max(0.0, fraction)) if math.isfinite(fraction) else 0.0
        answer: dict[str, Any] = {"progress": share, "words": words[:MAX_WORDS]}
        text = partial.model_dump_json() if partial is not None else ""
        if len(text.encode()) > MAX_JSON_BYTES:
            sys.stderr.write(f"a partial result of {len(text):,} characters was left out\n")
        elif partial is not None:
            answer["partial"] = partial.model_dump(mode="json")
        self._answers.progress(answer)

    async def keep(self, name: str, media_type: str, content: bytes) -> None:
        """Write the file for the worker. Raises ``ValueError`` where it is not taken."""
        check_file(name, media_type, len(content))
        sizes = self._sizes | {name: len(content)}
        if len(sizes) > MAX_FILES:
            raise ValueError(f"{name} would be file {len(sizes)}; at most {MAX_FILES} are taken")
        if sum(sizes.values()) > STORE_BYTES:
            most = STORE_BYTES // 2**20
            raise ValueError(f"with {name} the files have more than {most} MiB together")
        self._sizes = sizes
        self._folder.mkdir(exist_ok=True)
        (self._folder / name).write_bytes(content)
        self._answers.send({"file": name, "media_type": media_type, "size": len(content)})
