"""docker/ is held equal to the program: its commands, variables, ports and health checks, without a Docker engine."""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from packaging.markers import Marker

from streams.cli import app
from streams.run.processes import PROCESSES
from streams.run.settings import Settings, environment_name

ROOT = Path(__file__).resolve().parents[2]
DOCKER = ROOT / "docker"
COMPOSE: dict[str, Any] = yaml.safe_load((DOCKER / "compose.yml").read_text())
OURS = {name: service for name, service in COMPOSE["services"].items() if service.get("image") == "warm-handoff"}
DOCKERFILE = (DOCKER / "Dockerfile").read_text()
DEFAULTS = {name: field.default for name, field in Settings.model_fields.items()}
HEALTH_PORTS = {process.role: DEFAULTS[process.port_setting] for process in PROCESSES}


def variables() -> set[str]:
    return {environment_name(name) for name in Settings.model_fields}


def test_the_four_processes_and_their_servers_are_there() -> None:
    assert set(COMPOSE["services"]) == {
        *("kafka", "postgres", "prometheus", "grafana", "migrate"),
        *HEALTH_PORTS,
    }


@pytest.mark.parametrize("name", OURS)
def test_command_exists(name: str) -> None:
    command = typer.main.get_command(app)
    (word,) = OURS[name]["command"]
    assert word in command.commands  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", OURS)
def test_variables_are_settings(name: str) -> None:
    assert set(OURS[name]["environment"]) <= variables()


def test_the_image_sets_only_our_variables() -> None:
    assert set(re.findall(r"\b(HANDOFF_\w+)=", DOCKERFILE)) <= variables()


def test_the_image_exposes_every_port_and_runs_as_nobody_special() -> None:
    exposed = {int(port) for port in re.findall(r"^EXPOSE (.*)$", DOCKERFILE, re.M)[0].split()}
    off = {0}  # a server that is off unless it is given a port
    assert exposed == {value for name, value in DEFAULTS.items() if name.endswith("_port")} - off
    assert re.search(r"^USER (?!root)\w+$", DOCKERFILE, re.M)


@pytest.mark.parametrize("name", HEALTH_PORTS)
def test_health_check_asks_the_process_s_own_port(name: str) -> None:
    test = " ".join(OURS[name]["healthcheck"]["test"])
    assert f"http://127.0.0.1:{HEALTH_PORTS[name]}/healthz" in test


def test_prometheus_scrapes_every_process() -> None:
    jobs = yaml.safe_load((DOCKER / "prometheus.yml").read_text())["scrape_configs"]
    targets = {target for job in jobs for config in job["static_configs"] for target in config["targets"]}
    assert targets == {f"{name}:{port}" for name, port in HEALTH_PORTS.items()}


def test_published_ports_are_ours_and_the_inbox_stays_on_loopback() -> None:
    assert COMPOSE["services"]["listen"]["ports"] == [f"{DEFAULTS['mllp_port']}:{DEFAULTS['mllp_port']}"]
    assert COMPOSE["services"]["inbox"]["ports"] == [f"127.0.0.1:{DEFAULTS['inbox_port']}:{DEFAULTS['inbox_port']}"]
    assert "ports" not in COMPOSE["services"]["kafka"]
    assert "ports" not in COMPOSE["services"]["postgres"]


def test_three_brokers_vote_together_and_every_process_knows_them_all() -> None:
    over = yaml.safe_load((DOCKER / "three-brokers.yml").read_text())["services"]
    brokers = {name: service["environment"] for name, service in over.items() if name not in OURS}
    voters = ",".join(f"{environment['KAFKA_NODE_ID']}@{name}:9093" for name, environment in brokers.items())
    assert [environment["KAFKA_NODE_ID"] for environment in brokers.values()] == [1, 2, 3]
    for name, environment in brokers.items():
        assert environment["KAFKA_ADVERTISED_LISTENERS"] == f"PLAINTEXT://{name}:9092"
        assert environment["KAFKA_CONTROLLER_QUORUM_VOTERS"] == voters
    theirs = {"KAFKA_BOOTSTRAP_SERVERS": ",".join(f"{name}:9092" for name in brokers), "HANDOFF_REPLICATION": 3}
    assert {name: service["environment"] for name, service in over.items() if name in OURS} == dict.fromkeys(
        OURS, theirs
    )


def test_the_image_copies_every_package() -> None:
    assert all(f"COPY {package} {package}" in DOCKERFILE for package in ("parsers", "rules", "streams"))


LOCKED = re.findall(r"^([\w.-]+)==([^\s;]+)( ;.*)? \\$", (DOCKER / "requirements.lock").read_text(), re.M)
LOCK_AGAIN = "run docker/lock.sh"


def plain(name: str) -> str:
    """A package's name as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def test_the_image_installs_the_tested_versions_each_file_by_its_hash() -> None:
    constraints = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().split() if "==" in line)
    tested = {plain(name): version for name, version in constraints.items()}
    locked = {plain(name): version for name, version, _ in LOCKED}
    asked = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    assert {plain(re.split(r"[\[<>=]", line)[0]) for line in asked} <= locked.keys(), LOCK_AGAIN
    assert {name: version for name, version in locked.items() if tested.get(name, version) != version} == {}, LOCK_AGAIN
    entries = re.split(r"^(?=\S)", (DOCKER / "requirements.lock").read_text(), flags=re.M)[1:]
    assert [entry.split()[0] for entry in entries if "--hash=sha256:" not in entry] == []
    assert "--require-hashes -r docker/requirements.lock" in DOCKERFILE


def test_the_bill_of_materials_lists_what_is_locked_with_a_license_each() -> None:
    bill = json.loads((DOCKER / "sbom.cdx.json").read_text())
    listed = {plain(part["name"]): part for part in bill["components"]}
    image = {"python_version": "3.11", "python_full_version": "3.11.0", "sys_platform": "linux"}
    locked = {plain(name): version for name, version, only in LOCKED if not only or Marker(only[3:]).evaluate(image)}
    assert {name: part["version"] for name, part in listed.items()} == locked, LOCK_AGAIN
    assert [name for name, part in listed.items() if not part.get("licenses")] == []
    assert bill["metadata"]["component"]["name"] == "warm-handoff"
