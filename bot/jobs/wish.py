"""What a person asks for, as the rows that one submission writes."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from bot.jobs import ledger
from bot.jobs.desk import Desk
from bot.jobs.policy import asker_of
from bot.jobs.run import Ask, Ending, Run
from bot.jobs.share import Shared, share_key
from bot.results import StoredResult, add_row
from compute.jobs.job import MAX_JSON_BYTES
from compute.jobs.lanes import ANY, lane_of
from compute.tool import AnyTool, Needs, Refused, Request

if TYPE_CHECKING:
    from sqlite_utils import Database


@dataclass(frozen=True, slots=True)
class Wish:
    """What one submission writes."""

    row: StoredResult
    run: Run
    ask: Ask
    request: str
    key: str
    needs: Needs


def wish_of(
    desk: Desk, row: StoredResult, tool: AnyTool, request: Request, needs: Needs, *, first: bool
) -> Wish:
    """What asking for that writes. Raises ``Refused``: no such machine, too large a request."""
    try:
        lane = lane_of(needs)
        if needs.or_cpu and not desk.presence.serves(lane):
            lane = ANY
    except LookupError as error:
        raise Refused(f"No worker can have what this needs: {error}.") from None
    text = json.dumps(request.model_dump(mode="json"), sort_keys=True)
    if len(text) > MAX_JSON_BYTES:
        raise Refused(
            f"The request has {len(text) // 1024:,} KiB; a run takes at most "
            f"{MAX_JSON_BYTES // 1024}."
        )
    schema, now = desk.know(tool), desk.clock()
    run_id, ticket = secrets.token_urlsafe(16), secrets.token_urlsafe(32)
    run = Run(run_id, tool.name, schema, lane, ticket, now)
    ask = Ask(row.id, run_id, asker_of(row), row.user_id, first, now)
    limits = (needs.host_gib, needs.limit_s)
    return Wish(row, run, ask, text, share_key(tool.name, schema, lane, text, limits), needs)


def write_wish(db: Database, wish: Wish, shared: Shared | None) -> Shared | None:
    """The rows of one submission; what it shares, if anything."""
    add_row(db, wish.row)
    if shared is None:
        needs = wish.needs
        ledger.add_run(db, wish.run, wish.request, wish.key, needs.host_gib, needs.limit_s)
        ledger.add_ask(db, wish.ask)
        return None
    ledger.add_ask(db, replace(wish.ask, run_id=shared.run_id))
    if shared.result is not None:
        ending = Ending("done", wish.ask.asked_at, "", shared.words, shared.result)
        ledger.end_ask(db, shared.run_id, wish.row.id, ending)
    return shared
