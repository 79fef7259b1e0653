"""What a locked page still tells: the reader's stays in, how many people have news and how many of them are urgent out.

Pure. Numbers only: whoever stands before a locked page may be anybody.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from rules.decisions import Priority
from streams.inbox.pages.reader_stay import ReaderStay, is_struck, whose_stay

COUNTS_AGAIN_SECONDS: Final = 60


def news_words(stays: Iterable[ReaderStay], since: datetime, since_words: str) -> str:
    """ "3 new since 3:34 PM, 1 urgent."; what the reader has looked at elsewhere meanwhile is not new."""
    fresh = [stay for stay in stays if _is_new(stay, since)]
    people = {whose_stay(stay) for stay in fresh}
    urgent = {
        whose_stay(stay) for stay in fresh if stay.latest.priority is Priority.URGENT and not is_struck(stay.latest)
    }
    if not people:
        return f"Nothing new since {since_words}."
    return f"{len(people)} new since {since_words}{f', {len(urgent)} urgent' if urgent else ''}."


def _is_new(stay: ReaderStay, since: datetime) -> bool:
    latest = stay.latest
    return latest.decided_at > since and latest.version > max(stay.seen, stay.acknowledged) and not stay.passed_to
