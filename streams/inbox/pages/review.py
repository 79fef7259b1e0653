"""Possible matches that wait for a person."""

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool
from starlette.responses import (
    PlainTextResponse,
    RedirectResponse,
    Response,
)

from parsers.people import CaseManager
from streams.inbox.pages.review_words import answer_words, review_words
from streams.inbox.request import REVIEWS_ANSWERED_HOURS, REVIEWS_SHOWN, SAID_OF_REVIEW, WORDS_OF_VERDICT, Reader
from streams.store.audit import Audited
from streams.store.reviews import Review, Verdict
from streams.words import times as time_words

if TYPE_CHECKING:
    from streams.inbox.page import Visit
    from streams.inbox.request import Inbox


async def review_page(inbox: "Inbox", visit: "Visit") -> Response:
    said = SAID_OF_REVIEW.get(visit.request.query_params.get("said", ""), "")
    return await run_in_threadpool(
        partial(render_reviews, inbox), visit.reader, said, visit.request.query_params.get("of", "")
    )


def render_reviews(inbox: "Inbox", reader: Reader, said: str, of: str) -> Response:
    now, who = datetime.now(UTC), reader.person.case_manager_id
    practices = inbox.desk.answers_for(reader.person, now)
    before = readable(inbox, reader.person, of) if of and said else None
    if before and before.verdict and before.decided_at:
        name = inbox.desk.name(before.decided_by)
        ago = time_words.ago((now - before.decided_at).total_seconds())
        said = f"{name} answered “{WORDS_OF_VERDICT[before.verdict]}” {ago}."
    pairs = [
        (review, words)
        for review in inbox.store.reviews.waiting(REVIEWS_SHOWN, practices)
        if (words := review_words(review, now, inbox.desk.name(review.decided_by)))
    ]
    since = now - timedelta(hours=REVIEWS_ANSWERED_HOURS)
    answered = inbox.store.reviews.answered(since, REVIEWS_SHOWN, practices)
    shown = [*(review for review, _ in pairs), *answered]
    read = [review.enrollee.enrollee_id for review in shown if review.enrollee]
    inbox.store.audit.write_people(who, Audited.READ_REVIEW, now, read, f"{len(pairs)} pairs")
    waiting = inbox.store.reviews.count(practices)
    more = f"{waiting:,} wait; these are the oldest {len(pairs)}." if waiting > len(pairs) else ""
    return inbox.page(
        "review.html",
        reader=reader,
        reviews=waiting,
        reviews_waiting=[words for _, words in pairs],
        answered=[
            answer_words(review, inbox.desk.name(review.decided_by), who, now, inbox.desk.zone) for review in answered
        ],
        more=more,
        said=said,
    )


async def take_back_review(inbox: "Inbox", visit: "Visit") -> Response:
    return await run_in_threadpool(partial(take_back, inbox), visit.reader, visit.request.path_params["review_id"])


def take_back(inbox: "Inbox", reader: Reader, review_id: str) -> Response:
    if readable(inbox, reader.person, review_id) is None:
        return PlainTextResponse("not yours", 404)
    try:
        inbox.store.reviews.undo(review_id, reader.person.case_manager_id, datetime.now(UTC))
    except KeyError:
        return RedirectResponse("/review?said=over", 303)
    return RedirectResponse("/review?said=undone", 303)


async def settle(inbox: "Inbox", visit: "Visit") -> Response:
    word = str(visit.form.get("verdict", ""))
    if word not in set(Verdict):
        return PlainTextResponse("no such answer", 400)
    return await run_in_threadpool(
        partial(write_verdict, inbox), visit.reader, visit.request.path_params["review_id"], Verdict(word)
    )


def write_verdict(inbox: "Inbox", reader: Reader, review_id: str, verdict: Verdict) -> Response:
    if readable(inbox, reader.person, review_id) is None:
        return PlainTextResponse("not yours", 404)
    who, now = reader.person.case_manager_id, datetime.now(UTC)
    done = inbox.store.reviews.settle(review_id, verdict, who, now, undoable=True)
    said = verdict.value if done.changed else f"before&of={review_id}"
    return RedirectResponse(f"/review?said={said}", 303)


def readable(inbox: "Inbox", reader: CaseManager, review_id: str) -> Review | None:
    """The review, if it is about somebody whom the reader answers for."""
    review = inbox.store.reviews.find(review_id, inbox.desk.answers_for(reader, datetime.now(UTC)))
    return review if review and review.enrollee else None
