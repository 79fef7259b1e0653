"""Every field of a message filled with script, read and decided as ever, on pages of a real browser: text, no more."""

from datetime import UTC, date, datetime, timedelta

import pytest
from playwright.sync_api import expect

from parsers.people import Consent
from rules.deciding.case import World
from rules.deciding.decide import decide
from rules.decisions import Grade, Owner
from rules.matching.index import PanelIndex
from rules.policy.policy import default_policy
from rules.telling.routes import Routed
from streams.kafka.records import Envelope, EventRecord
from streams.kafka.topics import Topic
from streams.work.reader import Forward, RawRecord, Reader
from tests.rigs.browser import page_of
from tests.rigs.inbox import ORTIZ, InboxProcess, load_people, open_store, person
from tests.rigs.servers import free_port

pytestmark = pytest.mark.servers

SCRIPT = "\"><img src=x onerror=window.pwned=1><script>window.pwned=1</script><svg onload=window.pwned=1>'"
FIELDS = 45


def segment(name, **said):
    """The segment with every field hostile but those said."""
    given = {int(key[1:]): value for key, value in said.items()}
    return "|".join([name, *(given.get(number, SCRIPT) for number in range(1, FIELDS + 1))])


def message(trigger, number, at, pid):
    stamp = at.strftime("%Y%m%d%H%M%S+0000")
    head = f"MSH|^~\\&|{SCRIPT}|MISSION|{SCRIPT}|{SCRIPT}|{stamp}|{SCRIPT}|ADT^{trigger}|{number}|P|2.5.1"
    visit = {"f2": "I", "f19": "V1", "f44": stamp, "f45": stamp if trigger == "A03" else ""}
    segments = [
        head,
        segment("EVN", f1=trigger, f2=stamp, f6=stamp),
        pid,
        *(segment(name) for name in ("PD1", "NK1", "ROL", "PV2", "OBX", "AL1", "GT1", "IN1", "ZZZ")),
        segment("PV1", **visit),
        segment("DG1", f1="1", f3=f"I50.9^{SCRIPT}^I10", f6="F"),
    ]
    return "\r".join(segments).encode() + b"\r"


def read(reader, store, number, data, at):
    """Reads and decides one message as a worker does; gives how sure its person was."""
    envelope = Envelope(f"{number:032x}", at)
    outcome = reader.read(RawRecord(Topic.RAW.value, 0, number, at.timestamp(), b"key", data, envelope.headers()))
    assert isinstance(outcome, Forward), outcome
    record = EventRecord.model_validate_json(outcome.output.value)
    world = World(default_policy(), lambda *_: Routed((Owner(case_manager_id="cm-ortiz", because="practice"),), ""), at)
    store.decisions.decide(
        [record],
        lambda event_record, history: decide(
            event_record.event, event_record.match, event_record.prior_match, history, world
        ),
        at,
    )
    return record.match.grade


@pytest.fixture
def filled(settings, tmp_path):
    """An inbox whose one stay and one question come of messages that are hostile in every field."""
    settings = settings.model_copy(update={"inbox_port": free_port()})
    store = open_store(settings)
    rosa = person(1, consent=Consent.ALL)
    load_people(store, [rosa, person(2, "Walter", "Dawson", birth_date=date(1939, 1, 30), medicaid_id="")])
    index = PanelIndex.build(store.panel.records(), store.panel.crosswalk())
    reader = Reader(settings, b"of the test", lambda: index)
    now = datetime.now(UTC) - timedelta(hours=2)
    hers = segment(
        "PID", f3=f"901^^^NCMEDICAID^MA~{rosa.medicaid_id}^^^NCMEDICAID^MA", f5="Whitfield^Rosa", f7="19550304", f8="F"
    )
    his = segment("PID", f3=f"{SCRIPT}^^^MISSION^MR", f5=f"Dawson^Walter{SCRIPT}", f7="19390130", f8="M")
    assert read(reader, store, 1, message("A01", 1, now, hers), now) is Grade.CERTAIN
    assert read(reader, store, 2, message("A03", 2, now + timedelta(hours=1), hers), now) is Grade.CERTAIN
    assert read(reader, store, 3, message("A01", 3, now, his), now) is Grade.POSSIBLE
    process = InboxProcess(settings)
    process.store = store
    process.url = process.start()
    yield process
    process.stop()
    store.close()


def test_no_field_of_a_message_runs_on_any_page(chrome, filled):
    page = page_of(chrome, filled, ORTIZ, expect_live=False)
    (alert_id,) = [row.alert.alert_id for row in filled.store.inbox.rows_for("cm-ortiz", datetime.now(UTC))]
    for path in ("/", f"/stay/{alert_id}", f"/stay/{alert_id}/letter", "/review", "/sheet", "/due", "/people"):
        page.goto(f"{filled.url}{path}")
        expect(page.locator("main")).to_be_visible(timeout=10_000)
        assert page.evaluate("window.pwned") is None, path
    page.goto(f"{filled.url}/stay/{alert_id}")
    expect(page.locator("main")).to_contain_text("window.pwned=1", timeout=10_000)  # it is there, as text
    page.goto(f"{filled.url}/review")
    expect(page.locator("main")).to_contain_text("Dawson", timeout=10_000)
    assert not [line for line in page.complaints if "Content Security Policy" in line]
    page.context.close()
