"""A month of invented staff: whoever must be asked is, once, in time and on duty, whatever people do."""

from pathlib import Path
from typing import Any, NamedTuple

import pytest

from streams.commands import score as module
from streams.commands import score_staff
from streams.commands.score import print_score, run_score
from streams.commands.score_staff import MUST_BE_NOTHING
from streams.commands.simulate import run_simulate
from streams.invented.at_work import AtWork
from streams.invented.community import sample_directory
from streams.invented.drafts import START
from streams.invented.staff import Habit, Staff, sample_staff
from streams.run.problems import Problem


class Month(NamedTuple):
    """What `staff_month` is given, and what the whole score said."""

    told: tuple[Any, ...]
    score: dict[str, Any]

    def again(self, staff: Staff | None = None) -> dict[str, Any]:
        versions, own, *rest = self.told
        return score_staff.staff_month(versions, staff or own, *rest)


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("state")
    run_simulate(700, 30, 4, folder)
    return folder


@pytest.fixture(scope="module")
def month(state: Path) -> Month:
    handed: list[Any] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "staff_month", lambda *given: handed.extend(given) or score_staff.staff_month(*given))
        return Month(tuple(handed), run_score(state, staff=True))._replace(told=tuple(handed))


NOTHING = dict.fromkeys(MUST_BE_NOTHING, 0)


def test_who_must_be_asked_is_asked_once_in_time_and_on_duty(month: Month, capsys: pytest.CaptureFixture[str]) -> None:
    staff = month.score["staff"]
    assert {name: staff[name] for name in MUST_BE_NOTHING} == NOTHING
    assert min(staff["urgent"], staff["acts"], staff["acts_twice"], staff["asked"], staff["clocks"]["due"]) > 10
    assert set(staff["steps"]) >= {"asked", "asked_before"}
    assert month.again() == staff
    print_score(month.score)
    assert "asked off duty  " in capsys.readouterr().out


def test_the_less_people_act_the_more_is_asked(month: Month) -> None:
    usual, staff = month.score["staff"], month.told[1]
    worst = month.again(staff._replace(habits=dict.fromkeys(staff.habits, Habit.NEVER)))
    assert worst["acts"] == worst["clocks"]["in_time"] == worst["clocks"]["late"] == 0
    assert worst["asked"] > 1.5 * usual["asked"]
    assert {name: worst[name] for name in MUST_BE_NOTHING} == NOTHING


@pytest.mark.parametrize(
    ("name", "spoiled"),
    [
        ("asked_late", lambda stay, step: step._replace(at=step.at + score_staff.GRACE * 2)),
        ("asked_off_duty", lambda stay, step: step._replace(at=step.at.replace(hour=5))),
        ("asked_twice", lambda stay, step: stay.steps.append(step) or step),
        ("steps_missing", lambda stay, step: stay.written.clear() or step),
        ("urgent_unasked", lambda stay, step: step._replace(done=step.done._replace(person=None))),
    ],
)
def test_each_fault_would_be_seen(month: Month, monkeypatch: pytest.MonkeyPatch, name: str, spoiled: Any) -> None:
    run = AtWork.run

    def spoiling(work: AtWork, *given: Any) -> None:
        run(work, *given)
        for stay in work.stays.values():
            for number, step in enumerate(stay.steps[:]):
                if step.done.person and step.done.person.network_id:
                    stay.steps[number] = spoiled(stay, step)

    monkeypatch.setattr(AtWork, "run", spoiling)
    assert month.again()[name] > 0


def test_the_staff_of_a_seed_is_the_same_and_comes_back_from_its_lines() -> None:
    community, staff = sample_staff(sample_directory(2), 2, START, 30)
    assert (community, staff) == sample_staff(sample_directory(2), 2, START, 30)
    assert Staff.read(list(staff.rows())) == staff
    assert set(staff.habits.values()) == set(Habit)
    assert [(end - start).total_seconds() for start, end in staff.outages] == [11 * 3600.0] * 2
    assert 5 < len(community.absences) < 40


def test_a_folder_without_staff_is_named(state: Path) -> None:
    with pytest.raises(Problem, match="leave out --alerts"):
        run_score(state, alerts=state / "truth.jsonl", staff=True)
    (state / "staff.jsonl").write_text('{"row": "person"}\n')
    with pytest.raises(Problem, match="is not what"):
        run_score(state, staff=True)
