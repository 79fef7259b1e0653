"""A number that a sentence names is that of the policy in force, or of the constant that the code goes by."""

import ast
import re
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path

from rules.decisions import ClockKind, Reason
from rules.policy.policy import load_policy
from streams.run.settings import Settings
from streams.words import clocks as clock_words
from streams.words import reasons as reason_words
from tests.inbox.test_pages import served
from tests.rigs.inbox import ORTIZ, alert, clock, load_people, open_store, person, tell

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("streams/words", "streams/inbox", "streams/tell", "streams/commands")
NUMBER = r"(?:\d+|two|three|four|five|six|seven|eight|nine|ten|twelve)"
NAMED = re.compile(
    rf"\b{NUMBER}[\s-]+(?:working |business |calendar |separate )?"
    r"(?:minutes?|hours?|days?|weeks?|months?|years?|tries|visits)\b",
    re.I,
)
OURS = {
    "readmission_days = 30": "readmission_days = 41",
    "recent_snf_days = 30": "recent_snf_days = 43",
    "tcm_contact_business_days = 2 ": "tcm_contact_business_days = 5 ",
    "trc_follow_up_days = 30": "trc_follow_up_days = 47",
}
NAMES_A_NUMBER = (
    "within 41 days of the last one",
    "in the last 43 days",
    "5 working days",
    "TRC, 47 days",
)


def policy_text():
    text = (resources.files("rules.policy") / "policy.toml").read_text()
    for before, after in OURS.items():
        assert before in text
        text = text.replace(before, after)
    return text


def strings_of(path):
    tree = ast.parse(path.read_text())
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    docstrings = {id(node.body[0].value) for node in ast.walk(tree) if isinstance(node, documented) and is_said(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node.value


def is_said(node):
    return bool(node.body) and isinstance(node.body[0], ast.Expr) and isinstance(node.body[0].value, ast.Constant)


def test_no_sentence_is_written_with_its_number():
    """A number stands in the policy or in a constant, and the sentence is made with it; a law's number is the law's."""
    numbered = {
        (path.relative_to(ROOT).as_posix(), named[0])
        for room in ROOMS
        for path in (ROOT / room).rglob("*.py")
        for text in strings_of(path)
        if (named := NAMED.search(text))
    } | {
        (path.relative_to(ROOT).as_posix(), named[0])
        for kind in ("*.html", "*.js")
        for path in (ROOT / "streams").rglob(kind)
        for line in path.read_text().splitlines()
        if (named := NAMED.search(line.partition("//")[0]))
    }
    assert numbered == {("streams/inbox/pages/audit.py", "six years")}  # beside its number of days


def test_every_sentence_has_the_numbers_of_the_policy_in_force():
    ours = load_policy(policy_text())
    said = "\n".join(
        [
            *(reason_words.reason(item, ours) for item in Reason),
            *(
                clock_words.clock_name(clock(kind), datetime.now(UTC), policy=ours)
                for kind in ClockKind
                if kind not in clock_words.MEASURES
            ),
        ]
    )
    assert not re.search(r"\b30 days|\b2 working days", said)
    for words in NAMES_A_NUMBER:
        assert words in said


def test_every_page_has_the_numbers_of_the_policy_in_force(tmp_path):
    (tmp_path / "policy.toml").write_text(policy_text())
    settings = Settings(data_dir=tmp_path, inbox_port=0, policy=tmp_path / "policy.toml")
    store, rosa = open_store(settings), person(1)
    load_people(store, [rosa])
    kinds = [kind for kind in ClockKind if kind not in clock_words.MEASURES]
    clocks = tuple(clock(kind, hours=24 * 19) for kind in kinds)
    reasons = (Reason.DISCHARGED, Reason.READMISSION, Reason.RECENT_SNF_STAY)
    tell(
        store,
        alert(
            rosa, "a1", status="finished", kind="discharge", ended_at=datetime.now(UTC), reasons=reasons, clocks=clocks
        ),
    )
    with served(settings, store, ORTIZ) as (client, _):
        pages = {path: client.get(path).text for path in ("/", "/list", "/stay/a1", "/due", "/sheet")}
    store.close()
    for path, page in pages.items():
        assert "Whitfield" in page, path
        assert not re.search(r"\b30 days|\b2 working days", page), path
    for words in NAMES_A_NUMBER:
        assert words in pages["/stay/a1"]
