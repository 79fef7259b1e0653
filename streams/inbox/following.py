"""What people did about a stay, as far as one reader may know it: loop, acts and tier in, what is shown out. Pure."""

from collections.abc import Iterable
from typing import NamedTuple

from parsers.people import CaseManager
from rules.following.acts import Act, ActKind, effective
from rules.following.allowed import may_write
from rules.following.guides.scripts import Scripts, default_scripts
from rules.following.loop import Loop
from rules.following.referrals import Referral, referrals
from rules.following.roles import Relation
from rules.following.wishes import Wishes
from rules.policy.policy import Policy
from rules.telling.confidentiality import Tier

_BARE = (
    "act_id", "kind", "by", "role", "on_behalf_of", "version", "happened_at", "recorded_at", "supersedes", "for_id",
    "mode", "with_whom", "outcome", "until", "close_reason", "answers_act",
)  # fmt: skip


class Following(NamedTuple):
    """A stay's loop and its acts for one reader."""

    loop: Loop
    acts: tuple[Act, ...]  # as they were written, oldest first, with those taken back or corrected
    counting: frozenset[str]  # act_ids of those that count
    to_patient: Relation
    covered: str  # for whom the reader stands in here; ""
    reader: CaseManager
    team: tuple[CaseManager, ...]  # who may be asked, and whom it may be given
    away: frozenset[str]  # of them
    scripts: Scripts = default_scripts()
    wishes: Wishes = Wishes()  # of the person, on whichever stay they were written
    wishes_by: str = ""  # the name of who wrote them last

    def may(self, kind: ActKind) -> bool:
        return bool(may_write(self.reader, kind, self.to_patient))

    def referrals(self, policy: Policy) -> tuple[Referral, ...]:
        return referrals(self.acts, policy.tz)


def readable(acts: Iterable[Act], tier: Tier, reader_id: str) -> tuple[Act, ...]:
    """The acts as this reader may read them: whole where the stay is, else only that somebody tried or talked, which
    keeps two people from calling within hours; one's own always whole.
    """
    return tuple(act if tier is Tier.FULL or act.by == reader_id else _bare(act) for act in acts)


def _bare(act: Act) -> Act:
    """Who did what kind of thing when, without what was said or arranged."""
    return Act(**{name: getattr(act, name) for name in _BARE})


def counting(acts: Iterable[Act]) -> frozenset[str]:
    return frozenset(act.act_id for act in effective(acts))
