"""Discord's refusals: an HTTP status, a code, a sentence and, for a bad form, where it is bad."""

from __future__ import annotations

from collections.abc import Iterable

from tests.fakes.discord.world import Json

Problem = tuple[tuple[str | int, ...], str]
"""Where in the body, and what is wrong there."""

FORM_CODES = frozenset({40005, 50006, 50035, 30032, 30034})
"""Refusals that a correct bot never meets: the fake also records them as violations."""

SENTENCES = {
    0: (404, "404: Not Found"),
    10003: (404, "Unknown Channel"),
    10004: (404, "Unknown Guild"),
    10008: (404, "Unknown Message"),
    10013: (404, "Unknown User"),
    10015: (404, "Unknown Webhook"),
    10062: (404, "Unknown interaction"),
    10063: (404, "Unknown application command"),
    40005: (413, "Request entity too large"),
    40033: (400, "This message was already crossposted"),
    40060: (400, "Interaction has already been acknowledged."),
    40067: (400, "A tag is required to create a forum post in this channel"),
    40094: (400, "This interaction has reached the maximum number of follow up messages"),
    50001: (403, "Missing Access"),
    50005: (403, "Cannot edit a message authored by another user"),
    50006: (400, "Cannot send an empty message"),
    50007: (403, "Cannot send messages to this user"),
    50013: (403, "Missing Permissions"),
    50024: (400, "Cannot execute action on this channel type"),
    50027: (401, "Invalid Webhook Token"),
    50035: (400, "Invalid Form Body"),
    50083: (400, "Thread is archived"),
    160002: (403, "You cannot reply without permission to read message history"),
    160004: (400, "A thread has already been created for this message"),
    160005: (403, "Thread is locked"),
}


class ApiError(Exception):
    """A refusal, raised by a route and turned into Discord's JSON."""

    def __init__(self, code: int, problems: Iterable[Problem] = (), status: int = 0) -> None:
        self.code = code
        self.status, self.sentence = SENTENCES.get(code, (status or 400, f"error {code}"))
        self.status = status or self.status
        self.problems = list(problems)
        super().__init__(f"{code} {self.sentence}: {self.words()}")

    def words(self) -> str:
        """Return the problems as one line."""
        return "; ".join(
            f"{'.'.join(map(str, where)) or 'body'}: {why}" for where, why in self.problems
        )

    def body(self) -> Json:
        """Return the answer's body, the problems nested as Discord nests them."""
        body: Json = {"message": self.sentence, "code": self.code}
        errors: Json = {}
        for where, why in self.problems:
            node = errors
            for part in where:
                node = node.setdefault(str(part), {})
            node.setdefault("_errors", []).append({"code": "BASE_TYPE_BAD", "message": why})
        return body | {"errors": errors} if errors else body
