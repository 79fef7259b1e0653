"""The scrape address: what it serves, and that health is told as it is."""

import json
import urllib.error
import urllib.request

import pytest

from parsers.outcomes import RejectCode
from streams.run import metrics
from streams.run.health import Check, Health, Needed
from streams.run.scrape import serve


@pytest.fixture
def scrape():
    state = {"health": Health()}

    def health():
        if isinstance(state["health"], Exception):
            raise state["health"]
        return state["health"]

    server = serve("127.0.0.1", 0, health)
    yield server, state
    server.close()


def get(server, path):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{server.port}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_metrics_are_served_under_our_prefix_only(scrape):
    server, _ = scrape
    metrics.REFUSED.labels(RejectCode.NOT_HL7).inc()
    status, text = get(server, "/metrics")
    assert status == 200
    assert 'toc_refused_total{code="not_hl7"}' in text
    names = {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")}
    assert all(name.startswith(("toc_", "process_")) for name in names), names


HEALTH = {
    "nothing wrong": (Health((Check("store", ok=True),)), 200, 200),
    "waiting": (Health((Check("store", ok=False, why="database away"),)), 200, 503),
    "dead": (Health((Check("coordinator", ok=False, why="gone", needed=Needed.LIVE),)), 503, 503),
    "dead and waiting": (Health((Check("a", ok=False, needed=Needed.LIVE), Check("b", ok=True))), 503, 503),
    "health itself fails": (RuntimeError("PHI"), 503, 503),
}


@pytest.mark.parametrize("case", HEALTH)
def test_health_is_told_as_it_is(scrape, case):
    server, state = scrape
    state["health"], live, ready = HEALTH[case]
    assert get(server, "/healthz")[0] == live
    status, body = get(server, "/readyz")
    assert status == ready
    assert json.loads(body)["status"] == ("ok" if ready == 200 else "failing")
    assert "PHI" not in body


def test_another_path_is_not_found(scrape):
    assert get(scrape[0], "/")[0] == 404


def test_every_label_of_the_table_is_a_closed_set():
    for collector in list(metrics.REGISTRY._collector_to_names):
        for label in getattr(collector, "_labelnames", ()):
            assert label in {
                "way",
                "form",
                "said",
                "failure",
                "code",
                "ending",
                "reason",
                "stage",
                "topic",
                "part",
                "outcome",
                "file",
                "run",
                "came_to",
                "tick",
                "told",
                "state",
                "mailbox",  # by number, as the setting lists them
                "feed",  # as `handoff.toml` names them
                "sender",  # as `handoff.toml` names them
            }
