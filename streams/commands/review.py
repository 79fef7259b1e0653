"""`handoff review`: possible matches in, both sides beside each other out, and a person's verdict back.

Without arguments it lists what waits, by number only; with a review id it shows both sides (PHI, for the eyes of
whoever asks, and audited); with `--decide` it keeps the verdict, as the page does: its effect comes some seconds later
(a worker sees to it), and until then `--undo` takes it back. JSON: one object.
"""

from datetime import UTC, datetime
from typing import Any, Final

from rich.console import Console
from rich.table import Column, Table

from parsers.events import Patient, PersonName
from parsers.people import Enrollee
from streams.commands.printing import print_json
from streams.run.problems import Problem
from streams.run.settings import Settings
from streams.store import Store
from streams.store.audit import Audited
from streams.store.opening import open_store
from streams.store.reviews import UNDO_SECONDS, Review, Verdict

REVIEW_ID_WIDTH: Final = 32
_UNLESS: Final = f"in {UNDO_SECONDS} seconds, unless you take it back: handoff review {{0.review_id}} --undo --by {{1}}"


def run_review(
    settings: Settings,
    review_id: str | None = None,
    *,
    decide: str | None = None,
    undo: bool = False,
    by: str | None = None,
    note: str = "",
    as_json: bool = False,
) -> int:
    """Lists, shows, decides or takes an answer back. `by` is the case_manager_id of who does it; 1 when it was decided
    before, or when it is too late to take the answer back."""
    if decide and undo:
        raise Problem("either --decide or --undo, not both")
    if review_id is None:
        if decide or undo:
            raise Problem("name the review to decide: handoff review REVIEW --decide same --by CASE_MANAGER")
        with open_store(settings) as store:
            return _list(store, as_json)
    with open_store(settings) as store:
        person = store.directory.read().person(by or "")
        if person is None:
            raise Problem("say who you are with --by and your case manager id: reading and deciding are audited")
        review = store.reviews.find(review_id)
        if review is None:
            raise Problem("there is no such review: handoff review lists what waits")
        if undo:
            return _undo(store, review, person.case_manager_id, as_json)
        if decide is None:
            return _show(store, review, person.case_manager_id, as_json)
        return _decide(store, review, decide, person.case_manager_id, note, as_json)


def _list(store: Store, as_json: bool) -> int:
    waiting = store.reviews.waiting()
    if as_json:
        print_json(
            {
                "waiting": store.reviews.count(),
                "reviews": [
                    {
                        "review_id": review.review_id,
                        "opened_at": review.opened_at.isoformat(),
                        "messages": len(review.records),
                        "weight": review.weight,
                        "verdict": review.verdict,
                    }
                    for review in waiting
                ],
            }
        )
        return 0
    out = Console(highlight=False, soft_wrap=True)
    if not waiting:
        out.print("No possible match waits for a decision.")
        return 0
    table = Table(Column("review", no_wrap=True, min_width=REVIEW_ID_WIDTH), "since", "messages", "weight", box=None)
    for review in waiting:
        since = f"{review.opened_at:%Y-%m-%d %H:%M} UTC"
        unsure = " (not sure)" if review.verdict else ""
        table.add_row(review.review_id, since + unsure, str(len(review.records)), f"{review.weight:.1f}")
    out.print(table)
    if (number := store.reviews.count()) > len(waiting):
        out.print(f"These are the oldest {len(waiting):,} of {number:,}.")
    out.print(
        "handoff review REVIEW --by YOU shows both sides; --decide same|different|not-sure decides.", markup=False
    )
    return 0


def _show(store: Store, review: Review, by: str, as_json: bool) -> int:
    enrollee_id = review.enrollee.enrollee_id if review.enrollee else ""
    store.audit.write(by, Audited.READ_REVIEW, datetime.now(UTC), enrollee_id=enrollee_id, detail=review.review_id)
    rows = list(_sides(review))
    if as_json:
        print_json(
            {
                "review_id": review.review_id,
                "weight": review.weight,
                "verdict": review.verdict,
                "fields": [
                    {"field": field, "hospital": hospital, "panel": panel, "agreement": agreement}
                    for field, hospital, panel, agreement in rows
                ],
                "messages": [
                    {
                        "message_id": record.event.message_id,
                        "facility": record.event.facility,
                        "trigger": record.event.trigger,
                        "occurred_at": record.event.occurred_at.isoformat(),
                    }
                    for record in review.records
                ],
            }
        )
        return 0
    table = Table("", "the hospital says", "the panel says", "they", box=None)
    for row in rows:
        table.add_row(*row)
    out = Console(highlight=False, soft_wrap=True)
    out.print(table)
    if review.verdict:
        out.print(f"Said so far: {review.verdict.replace('_', ' ')}, by {review.decided_by}.", markup=False)
    return 0


def _decide(store: Store, review: Review, decide: str, by: str, note: str, as_json: bool) -> int:
    said = decide.replace("-", "_")
    if said not in set(Verdict):
        raise Problem("a verdict is one of same, different, not-sure")
    done = store.reviews.settle(review.review_id, Verdict(said), by, datetime.now(UTC), note, undoable=True)
    stands = store.reviews.find(review.review_id) or review
    if as_json:
        who = {"verdict": stands.verdict or said, "decided_by": stands.decided_by}
        print_json({"review_id": review.review_id, **who, **done._asdict()})
    else:
        out = Console(highlight=False, soft_wrap=True)
        if not done.changed:
            word = str(stands.verdict).replace("_", " ")
            out.print(
                f"It was decided before, and the first decision stands: {word}, by {stands.decided_by}.", markup=False
            )
        elif said == Verdict.SAME:
            out.print(f"The same person: {done.released} waiting messages are told {_UNLESS.format(review, by)}")
        elif said == Verdict.DIFFERENT:
            out.print(
                f"Different people: {done.dropped} waiting messages are dropped, and it will not be asked again, "
                f"{_UNLESS.format(review, by)}"
            )
        else:
            out.print("Not sure: it goes on waiting.")
    return 0 if done.changed else 1


def _undo(store: Store, review: Review, by: str, as_json: bool) -> int:
    try:
        store.reviews.undo(review.review_id, by, datetime.now(UTC))
        back = True
    except KeyError:
        back = False
    if as_json:
        print_json({"review_id": review.review_id, "undone": back})
    elif back:
        Console(highlight=False).print("Your answer is taken back; the question waits again.")
    else:
        Console(highlight=False).print("There is no answer of yours that could still be taken back.")
    return 0 if back else 1


def _sides(review: Review) -> list[tuple[str, str, str, str]]:
    patient = review.records[-1].event.patient if review.records else Patient()
    evidence = review.records[-1].match.evidence if review.records else {}
    theirs, ours = _hospital_side(patient), _panel_side(review.enrollee)
    fields = [field for field in theirs if theirs[field] or ours.get(field)]
    rows = [(field, theirs[field], ours.get(field, ""), _agreement(evidence, field)) for field in fields]
    shown = {field.replace(" ", "_") for field in fields}
    rest = [(field.replace("_", " "), "", "", said) for field, said in evidence.items() if field not in shown]
    return [*rows, *rest]


def _agreement(evidence: dict[str, str], field: str) -> str:
    return evidence.get(field.replace(" ", "_"), "") or evidence.get(field, "")


def _hospital_side(patient: Patient) -> dict[str, str]:
    address = patient.addresses[0] if patient.addresses else None
    return {
        "name": _name(patient.name),
        "birth date": patient.birth_date.isoformat() if patient.birth_date else "",
        "sex": patient.sex,
        "ssn": _last_four(patient.ssn),
        "address": ", ".join(filter(None, (address.street, address.city, address.zip))) if address else "",
        "phone": ", ".join(patient.phones),
        "identifiers": ", ".join(f"{number.system}:{number.value}" for number in patient.identifiers),
    }


def _panel_side(enrollee: Enrollee | None) -> dict[str, Any]:
    if enrollee is None:
        return {"name": "(no longer on the panel)"}
    address = enrollee.address
    numbers = [f"{number.system}:{number.value}" for number in enrollee.mrns]
    return {
        "name": _name(enrollee.name),
        "birth date": enrollee.birth_date.isoformat(),
        "sex": enrollee.sex,
        "ssn": _last_four(enrollee.ssn),
        "address": ", ".join(filter(None, (address.street, address.city, address.zip))),
        "phone": enrollee.phone,
        "identifiers": ", ".join(filter(None, (enrollee.medicaid_id, *numbers))),
    }


def _name(name: PersonName) -> str:
    given = " ".join(filter(None, (name.given, name.middle)))
    return ", ".join(filter(None, (f"{name.family} {name.suffix}".strip(), given)))


def _last_four(ssn: str) -> str:
    return f"***-**-{ssn[-4:]}" if ssn else ""
