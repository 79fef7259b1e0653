"""The same messages to the store and to what keeps its history in memory (`explain`, `score`, the benches): the same
stays, alert versions, reasons and learned record numbers, whatever the batches. Held to it with invented lives, with
what no hospital should send, and with every story.
"""

import random
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

import pytest

from parsers.events import Event
from parsers.people import Enrollee
from rules.deciding.case import World
from rules.deciding.decide import decide
from rules.deciding.groups import Whose
from rules.deciding.history import Number, Remembered, owner_of
from rules.deciding.late_enrollment import worth_keeping
from rules.decisions import Decision, History
from streams.commands.explain import Core, read_panel
from streams.commands.simulate import write
from streams.invented.drafts import Faults
from streams.invented.lives import simulate
from streams.kafka.records import EventRecord
from streams.kafka.records import Whose as WhoseRecord
from streams.store import Store
from tests.rigs.store import NOW, store, store_url
from tests.stories.test_stories import FOLDERS, core_for, messages, story, team

__all__ = ["store", "store_url"]
SECRET: Final = b"of the test"
EMPTIED: Final = (
    "outbox", "alert_owners", "alert_versions", "alerts", "stay_keys", "stays", "fingerprints", "ledger", "crosswalk",
    "review_events", "reviews", "unmatched_keys", "unmatched", "enrollees", "homes",
)  # fmt: skip
FAULTS: Final = Faults(
    merges=0.2, wrong_patient=0.1, no_visit_number=0.3, dropped_visit_number=0.1, no_account=0.5, reordered=0.2,
    cancelled=0.2, cancelled_discharge=0.1, resends=0.1, resent_days=0.1, noise=0.3,
)  # fmt: skip
TAKING: Final = "A06 A11 A12 A13 A18 A29 A34 A35 A40 A41 A42 A43 A44 A45 A47 A50".split()


class Decided(NamedTuple):
    event: Event
    whose: tuple[Whose, ...]
    decision: Decision


class Watched(Core):
    """`explain`'s core, with what it decided; it keeps what is nobody's until somebody prunes, as the store does."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.remembered = Remembered()
        self.decided: list[Decided] = []

    def decide(self, event: Event, whose: Sequence[Whose]) -> Decision:
        decision = super().decide(event, whose)
        self.decided.append(Decided(event, tuple(whose), decision))
        return decision


class Told(NamedTuple):
    """What was told in memory, once for every database."""

    panel: Sequence[Enrollee]
    core: Watched


@pytest.fixture(scope="module")
def lives(tmp_path_factory: pytest.TempPathFactory) -> Told:
    made, folder = simulate(650, 60, 5, FAULTS), tmp_path_factory.mktemp("lives")
    write(made, folder)
    panel = read_panel(folder / "panel.csv")
    core = Watched(panel, route=team)
    for data in hard([message.data for message in made.messages], random.Random(1)):
        core.step(data)
    assert len(core.decided) > 2000
    assert sum(len(step.decision.alerts) for step in core.decided) > 500
    return Told(panel, core)


@pytest.fixture(scope="module")
def stories() -> dict[str, Told]:
    by_folder = {}
    for folder in FOLDERS:
        core = core_for(folder, story(folder), Watched)
        for data, reject in messages(folder):
            core.step(data, reject)
        by_folder[folder.name] = Told(read_panel(folder / "panel.csv") if (folder / "panel.csv").exists() else (), core)
    return by_folder


def test_invented_lives(store: Store, lives: Told) -> None:
    begin(store, lives.panel)
    assert differences(store, lives.core, random.Random(2)) == []


def test_every_story(store: Store, stories: dict[str, Told]) -> None:
    chance, by_story = random.Random(3), {}
    for name, case in stories.items():
        begin(store, case.panel)
        by_story[name] = differences(store, case.core, chance)
    assert {name: differing for name, differing in by_story.items() if differing} == {}


def hard(sent: Sequence[bytes], chance: random.Random) -> Iterator[bytes]:
    """Messages of lives: some late or of years ago, some without a visit number or without what tells a patient from
    others, some of a kind that takes from somebody else."""
    late: list[bytes] = []
    for sent_number, data in enumerate(sent):
        segments = segments_of(data)
        visit = segments.get("PV1")
        if visit and len(visit) > 19 and chance.random() < 0.1:
            visit[19] = ""
        if chance.random() < 0.1:
            for number in {3, 7, 19} & set(range(len(segments["PID"]))):
                segments["PID"][number] = ""
        if chance.random() < 0.15:
            taken = segments_of(chance.choice(sent))["PID"]
            account = taken[18] if len(taken) > 18 else ""
            segments["MSH"][8:10] = [f"ADT^{chance.choice(TAKING)}", f"H{sent_number}"]
            segments["MRG"] = ["MRG", taken[3], "", account]
        written = "\r".join(map("|".join, segments.values())).encode() + b"\r"
        if chance.random() < 0.05:
            written = written.replace(b"|2026", b"|2024")
        if chance.random() < 0.1:
            late.append(written)
        else:
            yield written
        if late and chance.random() < 0.05:
            yield late.pop(chance.randrange(len(late)))
    yield from late


def segments_of(data: bytes) -> dict[str, list[str]]:
    return {line[:3]: line.split("|") for line in data.decode("latin-1").splitlines()}


def begin(store: Store, panel: Sequence[Enrollee]) -> None:
    """Nothing is known but these people."""
    with store.database.writing() as connection:
        for name in EMPTIED:
            connection.exec_driver_sql(f"DELETE FROM {name}")
    if panel:
        store.panel.load(panel, full=True, now=NOW, force=True)


def differences(store: Store, core: Watched, chance: random.Random) -> list[str]:
    """What the store comes to otherwise than the memory did."""
    somebodys = [step for step in core.decided if owner_of(step.whose)]
    differing = [
        f"{step.event.control_id} {step.event.trigger}: {said(step.decision)}; store: {said(decision)}"
        for step, decision in zip(somebodys, decided_anew(store, core, core.decided, chance), strict=True)
        if decision != step.decision
    ]
    return differing if learned_in(store) == core.remembered.numbers else [*differing, "record numbers"]


def decided_anew(
    store: Store, core: Watched, decided: Sequence[Decided], chance: random.Random
) -> Iterator[Decision | None]:
    """What the store comes to for each that is about anybody, in batches of any size; what is nobody's it keeps."""

    def rules(record: EventRecord, history: History) -> Decision:
        world = World(core.policy, core.route, record.event.received_at)
        further = [(whose.match, whose.prior_match) for whose in record.further]
        return decide(record.event, record.match, record.prior_match, history, world, further=further)

    for batch in batches(decided, chance):
        somebodys = [record_of(step) for step in batch if owner_of(step.whose)]
        yield from (outcome.decision for outcome in store.decisions.decide(somebodys, rules, NOW, SECRET))
        if kept := [step.event for step in batch if is_kept(step)]:
            store.unmatched.keep(kept, SECRET)


def batches(decided: Sequence[Decided], chance: random.Random) -> Iterator[list[Decided]]:
    """Of any size; what is kept of nobody ends one, as it is kept before what comes later is decided."""
    batch: list[Decided] = []
    for step in decided:
        if batch and (chance.random() < 0.05 or (owner_of(step.whose) and any(map(is_kept, batch)))):
            yield batch
            batch = []
        batch.append(step)
    yield batch


def is_kept(step: Decided) -> bool:
    return owner_of(step.whose) is None and worth_keeping(step.event)


def record_of(step: Decided) -> EventRecord:
    (match, prior), *others = step.whose
    further = tuple(WhoseRecord(match=match, prior_match=prior) for match, prior in others)
    return EventRecord(event=step.event, match=match, prior_match=prior, further=further)


def said(decision: Decision | None) -> str:
    if decision is None:
        return "nothing"
    return (
        f"{decision.action} {','.join(decision.reasons)}, {len(decision.stays)} stays, {len(decision.alerts)} versions"
    )


def learned_in(store: Store) -> dict[Number, str]:
    with store.database.reading() as connection:
        rows = connection.exec_driver_sql("SELECT system, value, enrollee_id FROM crosswalk").all()
    return {(row[0], row[1]): row[2] for row in rows}
