"""A child's answers: whole lines, the newest progress ten times a second at most."""

from __future__ import annotations

import json
import socket
import threading
from typing import Any

EVERY_S = 0.1  # a tool may call progress() in its inner loop


class Answers:
    """Writes lines to the worker. Progress goes out at once or a little later, never after the end.

    A thread of its own sends what is due, since a tool that computes does not let a loop run.
    """

    def __init__(self, line: socket.socket) -> None:
        self._line = line
        self._lock = threading.Condition()
        self._waiting: dict[str, Any] | None = None
        threading.Thread(target=self._pass_on, daemon=True).start()

    def send(self, answer: dict[str, Any]) -> None:
        """Send ``answer`` after the progress that was said before it."""
        with self._lock:
            self._flush()
            self._write(json.dumps(answer))

    def send_last(self, answer: str) -> None:
        """Send the JSON text of a job's end; progress that waits is part of it no more."""
        with self._lock:
            self._waiting = None
            self._write(answer)

    def progress(self, answer: dict[str, Any]) -> None:
        """Send the newest of these when it is time, with the newest partial result."""
        with self._lock:
            self._waiting = (self._waiting or {}) | answer
            self._lock.notify()

    def _pass_on(self) -> None:
        pause = threading.Event()
        while True:
            with self._lock:
                while self._waiting is None:
                    self._lock.wait()
                self._flush()
            pause.wait(EVERY_S)

    def _flush(self) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            self._write(json.dumps(waiting))

    def _write(self, text: str) -> None:
        self._line.sendall(text.encode() + b"\n")
