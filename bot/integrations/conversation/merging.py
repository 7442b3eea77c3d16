"""What is known of a discussion and what one more sight of it adds, in whatever order they come."""

from __future__ import annotations

from dataclasses import replace

from bot.integrations.conversation.seen import Remark, Seen

FINAL = ("deleted", "transferred")


def merge(old: Seen | None, new: Seen, baseline: float) -> tuple[Seen, bool]:
    """What is known now, and whether it is news worth a message of its own.

    News are what people did since ``baseline`` (Unix seconds): a discussion begun, a comment, an
    answer. Everything else only changes what a notice shows. Deliveries come in any order, so the
    later state of the discussion wins, not the later delivery.
    """
    if old is None:
        begun = not new.own and new.created_at >= baseline
        return new, begun or _is_news(new.remark, baseline) or _is_news(new.answer, baseline)
    state = new if new.updated_at >= old.updated_at else old
    kept = old if old.state in FINAL else state
    answer = new.answer if new.knows_answer and state is new else old.answer
    remark = _later(old.remark, new.remark)
    merged = replace(
        state,
        state=kept.state,
        excerpt=state.excerpt or old.excerpt,
        comments=max(old.comments, new.comments) if state is old else new.comments,
        answer=answer,
        knows_answer=True,
        remark=remark,
    )
    told_more = remark != old.remark and _is_news(remark, baseline)
    answered = answer is not None and (old.answer is None or answer.id != old.answer.id)
    return merged, told_more or (answered and _is_news(answer, baseline))


def _later(old: Remark | None, new: Remark | None) -> Remark | None:
    """The newest comment of somebody else's; one of ours stands only while there is no other."""
    if old is None or new is None:
        return new or old
    if old.own != new.own:
        return old if new.own else new
    return new if new.at >= old.at else old


def _is_news(remark: Remark | None, baseline: float) -> bool:
    return remark is not None and not remark.own and remark.at >= baseline
