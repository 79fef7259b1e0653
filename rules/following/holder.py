"""Who has a stay: what people did about it and who was told in, the holder, offers and open questions out.

A stay told to exactly one person is hers from the start. Whoever leaves the directory holds nothing. What is handed
over stays with the giver until it is accepted; what a manager gives is the other's at once.
"""

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import NamedTuple

from rules.following.acts import Act, ActKind, effective


class Question(NamedTuple):
    """What a colleague was asked."""

    asked: Act
    answered: Act | None


class Holding(NamedTuple):
    """Who has a stay, and of whom it asks something."""

    holder: str  # case_manager_id; "" when nobody has it
    since: datetime | None
    taken_from: str  # who had it before somebody else took it; shown on her row
    offered_to: str  # handed over and not accepted yet
    offered_at: datetime | None
    questions: tuple[Question, ...]

    @property
    def on_lists_of(self) -> frozenset[str]:
        """Whom it stands before by what people did: who has it, is offered it, or is asked and has not answered."""
        asked = {question.asked.for_id for question in self.questions if question.answered is None}
        return frozenset({self.holder, self.offered_to, *asked} - {""})


def holding(acts: Iterable[Act], owners: Collection[str], staff: Collection[str]) -> Holding:
    """Who has the stay. `owners`: whom the newest version is for; `staff`: everybody in the directory today."""
    only = next(iter(owners)) if len(owners) == 1 else ""
    holder, since, taken_from = only, None, ""
    offer: Act | None = None
    asked: dict[str, Act] = {}
    answers: dict[str, Act] = {}
    for act in effective(acts):
        me = act.on_behalf_of or act.by
        match act.kind:
            case ActKind.TAKE:
                taken_from = holder if holder not in ("", me, act.by) else ""
                holder, since, offer = act.by, act.happened_at, None
            case ActKind.GIVE_BACK if holder in (me, act.by):
                holder, since, taken_from, offer = "", act.happened_at, "", None
            case ActKind.HAND_OVER if holder in ("", me, act.by):
                offer = act
            case ActKind.ACCEPT if offer is not None and act.answers_act == offer.act_id:
                holder, since, taken_from, offer = act.by, act.happened_at, "", None
            case ActKind.ASSIGN:
                taken_from = holder if holder not in ("", act.for_id) else ""
                holder, since, offer = act.for_id, act.happened_at, None
            case ActKind.NOT_OURS if holder in (me, act.by):
                holder, since, offer = "", act.happened_at, None
            case ActKind.ASK:
                asked[act.act_id] = act
            case ActKind.ANSWER:
                answers.setdefault(act.answers_act, act)
            case _:
                pass
    if holder not in staff:
        holder = ""
    return Holding(
        holder=holder,
        since=since,
        taken_from=taken_from,
        offered_to=offer.for_id if offer else "",
        offered_at=offer.happened_at if offer else None,
        questions=tuple(Question(act, answers.get(act_id)) for act_id, act in asked.items()),
    )
