"""Alert rules and dashboard: they name metrics that exist, say what to do, and fire when and only when they should."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import generate_latest

from streams.run.metrics import REGISTRY, Delay
from tests.conftest import missing

DOCKER = Path(__file__).resolve().parents[2] / "docker"
RULES: list[dict[str, Any]] = [
    rule for group in yaml.safe_load((DOCKER / "alerts.yml").read_text())["groups"] for rule in group["rules"]
]
DASHBOARD: dict[str, Any] = json.loads((DOCKER / "grafana" / "dashboards" / "handoff.json").read_text())
PROMTOOL = shutil.which("promtool")
OTHERS = {"process_resident_memory_bytes"}  # of the client library, on every process


def metrics() -> dict[str, set[str]]:
    """Every name a scrape may hold, and the labels of its metric."""
    labels_of: dict[str, set[str]] = {}
    for collector in set(REGISTRY._collector_to_names):
        for name in REGISTRY._collector_to_names[collector]:
            labels_of[name] = set(getattr(collector, "_labelnames", ()))
    return labels_of


KNOWN = metrics()


def expressions() -> Iterator[tuple[str, str]]:
    for rule in RULES:
        yield rule["alert"], rule["expr"]
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"]


@pytest.mark.parametrize(("name", "expression"), list(expressions()))
def test_only_metrics_and_labels_that_exist_are_named(name: str, expression: str) -> None:
    used = set(re.findall(r"\b\w+_\w+\b(?![(=])", re.sub(r'"[^"]*"|\b(?:by|on) \([^)]*\)', "", expression)))
    assert used <= KNOWN.keys() | OTHERS, name
    labels = {"le", "instance", "job"} | {label for metric in used for label in KNOWN.get(metric, ())}
    for group in re.findall(r"by \(([^)]*)\)", expression):
        assert {label.strip() for label in group.split(",")} <= labels, name


def test_what_a_rule_counts_is_there_before_it_first_grows() -> None:
    """Prometheus sees no increase in the first value of a series."""
    page = generate_latest(REGISTRY).decode()
    assert all(f'toc_delay_seconds_count{{part="{part}"}}' in page for part in Delay)
    for rule in RULES:
        grown = re.findall(r"(?:increase|rate)\((toc_\w+_total)", rule["expr"])
        for counter in {*grown} if " offset " not in rule["expr"] else ():
            assert re.search(rf"^{counter}[ {{]", page, re.MULTILINE), (rule["alert"], counter)


def test_every_rule_says_what_is_wrong_and_what_to_do() -> None:
    for rule in RULES:
        assert rule["labels"]["severity"] in ("page", "ticket", "none"), rule["alert"]
        assert {"summary", "todo"} == set(rule["annotations"]), rule["alert"]
        assert all(text.endswith(".") for text in rule["annotations"].values()), rule["alert"]
    assert len({rule["alert"] for rule in RULES}) == len(RULES)


def test_the_dashboard_can_be_provisioned() -> None:
    assert DASHBOARD["uid"] == "warm-handoff"
    assert "id" not in DASHBOARD
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(ids) == len(set(ids))
    sources = {panel["datasource"]["uid"] for panel in DASHBOARD["panels"] if "datasource" in panel}
    assert sources == {"${datasource}"}


@pytest.mark.servers
@pytest.mark.parametrize("command", [("check", "rules", "alerts.yml"), ("test", "rules", "alerts_test.yml")])
def test_promtool_finds_them_right(command: tuple[str, ...]) -> None:
    if PROMTOOL is None:
        missing("promtool (Debian's package prometheus)")
    done = subprocess.run([str(PROMTOOL), *command], cwd=DOCKER, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
