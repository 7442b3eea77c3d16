"""The process that runs tools: one request a line from its worker, one answer a line back.

``python -m compute.worker.child FD`` with a socket as descriptor FD. What a tool prints goes to the
worker's log and is never part of the answers. Answers are JSON objects: ``ready``; ``progress``,
``words`` and ``partial``; ``file``, ``media_type`` and ``size`` of a file in the job's folder; last
one of ``done`` (a result), ``refused`` (a refusal) and ``failed`` (a cause, with ``words`` for the
person and ``trace`` for the log); ``worn`` with it asks for an end of this process.
"""

from __future__ import annotations

import asyncio
import faulthandler
import importlib
import importlib.util
import json
import os
import resource
import socket
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from compute.inputs import check_inputs
from compute.jobs.job import MAX_JSON_BYTES, Job
from compute.tool import AnyTool, Refused, load_tool
from compute.worker.child_context import ChildContext
from compute.worker.wire import Answers

Load = Callable[[str], AnyTool]
TRACE_CHARS = 16_000
GIB = 2**30
NO_MEMORY = "It needed more memory than a job may have ({0:g} GiB)."
NO_DEVICE_MEMORY = "It needed more GPU memory than it may have on this machine."
TOO_LARGE = "The result is too large to send: {0:,} KiB of at most {1:,}."
BROKE = "The tool broke on this input. That is our fault; the worker's log says where."


def main(load: Load = load_tool) -> None:
    """Serve the worker at the other end until it hangs up."""
    line = socket.socket(fileno=int(sys.argv[1]))
    line.set_inheritable(False)  # what a tool starts has no voice here
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    faulthandler.enable()  # a crash in C code leaves its place in the log
    answers = Answers(line)
    with line.makefile("rb") as requests, asyncio.Runner() as runner:
        answers.send({"ready": os.getpid()})
        for text in requests:
            message = json.loads(text)
            if "warm" in message:
                _warm(load, message["warm"], message["tools"])
                continue
            answers.send_last(runner.run(_run(load, message, answers)))
    os._exit(0)  # threads that a tool left behind do not hold us up


def _warm(load: Load, modules: list[str], tools: list[str]) -> None:
    """Import and read what tools will want; what is missing is the tool's to report."""
    for name in (*modules, *tools):
        try:
            if name in tools:
                load(name).prepare()
            else:
                importlib.import_module(name)
        except Exception as error:
            sys.stderr.write(f"warming {name}: {error!r}\n")


async def _run(load: Load, message: dict[str, Any], answers: Answers) -> str:
    """One job's last answer, as JSON text."""
    job = Job.model_validate(message["job"])
    context = ChildContext(_hub(), answers, Path(message["folder"]))
    answer = await _answered(load, message, job, context)
    # A kernel that hangs would hold whoever frees memory behind it.
    worn = context.process_lost or not _free_device()
    return f'{{"worn":true,{answer[1:]}' if worn else answer


async def _answered(load: Load, message: dict[str, Any], job: Job, context: ChildContext) -> str:
    try:
        _limit(message["data_bytes"], job.device_gib)
        tool = load(job.tool)
        request = check_inputs(tool, job.request)
        try:
            result = await tool.run(request, context)
        finally:
            await context.close()
        return _done(result.model_dump_json())
    except Refused as refused:
        return f'{{"refused":{refused.refusal.model_dump_json()}}}'
    except MemoryError:
        return _failed("memory", NO_MEMORY.format(job.host_gib))
    except Exception as error:
        if type(error).__name__ == "OutOfMemoryError":  # torch's, which may not be loaded here
            return _failed("memory", NO_DEVICE_MEMORY)
        return _failed("error", BROKE)


def _hub() -> str:
    return os.environ.get("HF_ENDPOINT") or "https://huggingface.co"


def _done(result: str) -> str:
    size = len(result.encode())
    if size > MAX_JSON_BYTES:
        return _failed("too large", TOO_LARGE.format(size // 1024, MAX_JSON_BYTES // 1024))
    return f'{{"done":{result}}}'


def _failed(cause: str, words: str) -> str:
    trace = traceback.format_exc()[-TRACE_CHARS:] if sys.exc_info()[0] else ""
    return json.dumps({"failed": cause, "words": words, "trace": trace})


def _limit(data_bytes: int | None, device_gib: float) -> None:
    """This job's limits: only the soft one can be raised again for the next job."""
    wanted = resource.RLIM_INFINITY if data_bytes is None else data_bytes
    resource.setrlimit(resource.RLIMIT_DATA, (wanted, resource.RLIM_INFINITY))
    if device_gib and importlib.util.find_spec("torch"):
        import torch

        if torch.cuda.is_available():
            total = torch.cuda.get_device_properties(0).total_memory
            share = min(1.0, device_gib * GIB / total)
            torch.cuda.set_per_process_memory_fraction(share)


def _free_device() -> bool:
    """Whether the next job finds the card as empty as this one did: after an illegal address or a
    trap in one kernel CUDA refuses every call until the process ends.
    """
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_initialized():
        return True
    import gc

    try:
        gc.collect()
        torch.cuda.synchronize()
        torch.cuda.empty_cache()
        torch.cuda.set_per_process_memory_fraction(1.0)
    except Exception as error:
        sys.stderr.write(f"the GPU takes no more work from this process: {error!r}\n")
        return False
    return True


if __name__ == "__main__":
    main()
