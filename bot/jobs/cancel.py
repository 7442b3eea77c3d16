"""Ending what is no longer wanted: one person's wish, and the run once nobody wants it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.jobs import ledger
from bot.jobs.desk import Desk
from bot.jobs.dispatch import Dispatcher
from bot.jobs.finish import Finisher, cancelled
from bot.jobs.listen import tell_to_stop
from bot.jobs.run import Run
from bot.jobs.words import Cancelled
from bot.results import Deleter, columns_of, may_delete

if TYPE_CHECKING:
    from sqlite_utils import Database

OPEN_ASK = "SELECT run_id, ended_at FROM asks WHERE result_id = ?"
OTHERS = "SELECT COUNT(*) FROM asks WHERE run_id = ? AND ended_at = 0 AND result_id != ?"


class Canceller:
    """Cancels asks, and runs with their last ask."""

    def __init__(self, desk: Desk, dispatcher: Dispatcher, finisher: Finisher) -> None:
        self._desk = desk
        self._dispatcher = dispatcher
        self._finisher = finisher

    async def cancel(self, result_id: str, by: Deleter) -> Cancelled:
        """See ``Jobs.cancel``."""

        def may(db: Database) -> Cancelled | None:
            ask = db.conn.execute(OPEN_ASK, [result_id]).fetchone()
            columns = columns_of(db, result_id)
            if ask is None or columns is None:
                return "unknown"
            if not may_delete(columns, by):
                return "not yours"
            return "ended" if ask[1] else None

        return await self._desk.store.read(may) or await self.give_up(result_id)

    async def give_up(self, result_id: str) -> Cancelled:
        """End what ``result_id`` waits for, whoever asks for that."""
        run = self._desk.of_result(result_id)
        if run is None:
            return "ended"
        if run.state == "running" and not run.settled and await self._mark(run, result_id):
            await tell_to_stop(self._desk, run)
            return "cancelling"
        ending = cancelled(self._desk.clock())

        def change(db: Database) -> tuple[bool, bool]:
            done = ledger.end_ask(db, run.id, result_id, ending, deliver=False)
            alone = not db.conn.execute(OTHERS, [run.id, result_id]).fetchone()[0]
            # Whatever is being written down of the run meanwhile is for nobody any more.
            return done, alone and ledger.end_run(db, run.id, ending)

        def then(outcome: tuple[bool, bool]) -> None:
            self._desk.drop_ask(result_id)
            if outcome[1]:
                self._desk.drop(run)
                self._desk.counters.over(run.id, run.tool, "cancelled", "", 0.0)
                self._desk.spawn(self._finisher.clean(run), f"clean up after {run.id}")

        done, _ = await self._dispatcher.change(change, then)
        return "cancelled" if done else "ended"

    async def _mark(self, run: Run, result_id: str) -> bool:
        """Have the run stopped when nobody else waits for it; False when somebody does."""

        def change(db: Database) -> bool:
            if db.conn.execute(OTHERS, [run.id, result_id]).fetchone()[0]:
                return False
            ledger.cancelling(db, run.id)
            return True

        def then(alone: bool) -> None:
            if alone:
                run.cancelling = True
                run.touch()

        return await self._dispatcher.change(change, then)
