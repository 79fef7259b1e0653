"""`handoff bench match`: an invented hard panel of any size in, what the matcher costs and how well it does out.

JSON: `{"panel", "build_seconds", "build_cpu_seconds", "rss_mb", "lookup_p50_us", "lookup_p99_us", "lookups_per_second",
"queries", "precision", "recall", "recall_with_review", "review_share", "linked_by_kind", "splink"}`; `splink` holds the
same figures of Splink on as much of the same panel as is practical, or why it was not run. The time to invent the
people is not counted.
"""

import csv
import random
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any, Final

import psutil

from rules.decisions import Grade
from rules.matching.index import PanelIndex
from rules.matching.person import PanelRecord, Person, read_record
from streams.commands.printing import print_json
from streams.invented.hard_people import Query, World

QUERIES: Final = 20_000
SPLINK_PANEL: Final = 100_000  # people; on more its training takes longer than anybody waits
SEED: Final = 20_261
_AT_ONCE: Final = 10_000
_AUTOMATIC: Final = (Grade.CERTAIN, Grade.PROBABLE)


def run_bench_match(panel: int = 1_000_000, *, as_json: bool = False) -> int:
    """Prints the figures; 0 when done."""
    world = World(panel, SEED)
    invented = _Invented(world, panel)
    started, cpu = time.perf_counter(), time.process_time()
    index = PanelIndex.build(invented)
    result: dict[str, Any] = {
        "panel": len(index),
        "build_seconds": round(time.perf_counter() - started - invented.seconds, 2),
        "build_cpu_seconds": round(time.process_time() - cpu - invented.cpu, 2),
        "rss_mb": psutil.Process().memory_info().rss >> 20,
    }
    queries = world.queries(invented.kept, min(QUERIES, panel // 2))
    result |= _measure(index, queries)
    result["splink"] = _splink(invented.first, queries)
    if as_json:
        print_json(result)
    else:
        print_text(result)
    return 0


class _Invented:
    """The people of a world as they are made, the time that took, the first of them, and some of all of them."""

    def __init__(self, world: World, size: int) -> None:
        self.seconds = self.cpu = 0.0
        self.first: list[PanelRecord] = []
        self.kept: list[PanelRecord] = []
        self._world = world
        self._share = min(1.0, 1.2 * QUERIES / 2 / size)
        self._random = random.Random(SEED)

    def __iter__(self) -> Iterator[PanelRecord]:
        source = self._world.records()
        while True:
            started, cpu = time.perf_counter(), time.process_time()
            some = list(islice(source, _AT_ONCE))
            self.kept.extend(record for record in some if self._random.random() < self._share)
            if len(self.first) < SPLINK_PANEL:
                self.first.extend(some[: SPLINK_PANEL - len(self.first)])
            self.seconds += time.perf_counter() - started
            self.cpu += time.process_time() - cpu
            if not some:
                return
            yield from some


def _measure(index: PanelIndex, queries: list[Query]) -> dict[str, Any]:
    today = datetime.now(UTC).date()
    people: list[Person] = [read_record(query.record) for query in queries]
    for person in people[:200]:
        index.match_person(person, today)
    times: list[float] = []
    answers: Counter[tuple[str, Grade, bool]] = Counter()
    for person, query in zip(people, queries, strict=True):
        started = time.perf_counter()
        match = index.match_person(person, today)
        times.append(time.perf_counter() - started)
        answers[query.kind, match.grade, bool(query.truth) and match.enrollee_id == query.truth] += 1
    times.sort()
    present = sum(count for (kind, _, _), count in answers.items() if kind == "present")
    linked = sum(count for (_, grade, _), count in answers.items() if grade in _AUTOMATIC)
    right = sum(count for (_, grade, was), count in answers.items() if grade in _AUTOMATIC and was)
    review = sum(count for (_, grade, was), count in answers.items() if grade is Grade.POSSIBLE and was)
    kinds = {kind for kind, _, _ in answers if kind != "present"}
    return {
        "lookup_p50_us": round(times[len(times) // 2] * 1e6, 1),
        "lookup_p99_us": round(times[len(times) * 99 // 100] * 1e6, 1),
        "lookups_per_second": round(len(times) / sum(times)),
        "queries": len(queries),
        "precision": round(right / max(linked, 1), 5),
        "recall": round(right / max(present, 1), 5),
        "recall_with_review": round((right + review) / max(present, 1), 5),
        "review_share": round(sum(answers[key] for key in answers if key[1] is Grade.POSSIBLE) / len(queries), 5),
        "linked_by_kind": {
            kind: round(
                sum(count for (name, grade, _), count in answers.items() if name == kind and grade in _AUTOMATIC)
                / sum(count for (name, _, _), count in answers.items() if name == kind),
                5,
            )
            for kind in sorted(kinds)
        },
    }


_FIELDS: Final = ("first", "last", "middle", "birth_date", "sex", "street", "zip", "phone", "ssn")


def _splink(panel: list[PanelRecord], queries: list[Query]) -> dict[str, Any]:
    """Splink with its usual comparisons, trained on the same people, asked the queries that concern them."""
    try:
        import duckdb
        import splink
        import splink.comparison_library as comparisons
        from splink import DuckDBAPI, Linker, SettingsCreator, block_on
    except ImportError:
        return {"skipped": "Splink is not installed (pip install 'warm-handoff[bench]')"}
    if not hasattr(DuckDBAPI, "register"):
        return {"skipped": f"Splink {splink.__version__} is older than this comparison: 5.0 or later is needed"}
    here = {record.enrollee_id for record in panel}
    asked = [query for query in queries if not query.truth or query.truth in here]

    started = time.perf_counter()
    connection = duckdb.connect()
    connection.execute("SET enable_progress_bar = false")
    database = DuckDBAPI(connection)
    tables = {
        "panel": [(record.enrollee_id, record) for record in panel],
        "queries": [(f"q{number}", query.record) for number, query in enumerate(asked)],
    }
    with tempfile.TemporaryDirectory() as folder:
        for name, rows in tables.items():
            path = Path(folder) / f"{name}.csv"
            with path.open("w", newline="", encoding="utf-8") as file:
                writer = csv.writer(file)
                writer.writerow(("unique_id", *_FIELDS))
                writer.writerows((key, *(getattr(record, field).lower() for field in _FIELDS)) for key, record in rows)
            connection.read_csv(str(path), all_varchar=True).create(name)
    people, persons = (database.register(name, dataset_display_name=name) for name in tables)
    settings = SettingsCreator(
        link_type="link_only",
        comparisons=[
            comparisons.ForenameSurnameComparison("first", "last"),
            comparisons.DamerauLevenshteinAtThresholds("birth_date", [1, 2]),
            comparisons.ExactMatch("middle"),
            comparisons.ExactMatch("sex"),
            comparisons.JaroWinklerAtThresholds("street", [0.9]),
            comparisons.ExactMatch("zip"),
            comparisons.ExactMatch("phone"),
            comparisons.DamerauLevenshteinAtThresholds("ssn", [1]),
        ],
        blocking_rules_to_generate_predictions=[
            block_on("birth_date", "last"),
            block_on("birth_date", "first"),
            block_on("last", "first"),
            block_on("ssn"),
            block_on("phone"),
            block_on("street"),
        ],
    )
    linker = Linker([people, persons], settings, log_level="ERROR")
    linker.training.estimate_probability_two_random_records_match([block_on("birth_date", "last", "first")], recall=0.7)
    linker.training.estimate_u_using_random_sampling(max_pairs=1e6, seed=SEED)
    linker.training.estimate_parameters_using_expectation_maximisation(block_on("birth_date"))
    linker.training.estimate_parameters_using_expectation_maximisation(block_on("last", "first"))
    trained = time.perf_counter()
    predictions = linker.inference.predict(threshold_match_probability=0.95).as_record_list()
    predicted = time.perf_counter()
    best: dict[str, tuple[float, str]] = {}
    for row in predictions:
        sides = {row["source_dataset_l"]: row["unique_id_l"], row["source_dataset_r"]: row["unique_id_r"]}
        query_id, enrollee_id = sides["queries"], sides["panel"]
        best[query_id] = max(best.get(query_id, (0.0, "")), (row["match_weight"], enrollee_id))
    right = sum(best.get(f"q{number}", (0.0, ""))[1] == query.truth != "" for number, query in enumerate(asked))
    return {
        "version": splink.__version__,
        "panel": len(panel),
        "queries": len(asked),
        "train_seconds": round(trained - started, 2),
        "predict_seconds_for_all": round(predicted - trained, 2),
        "precision": round(right / max(len(best), 1), 5),
        "recall": round(right / max(sum(bool(query.truth) for query in asked), 1), 5),
    }


def print_text(result: dict[str, Any]) -> None:
    """The figures as lines for people."""
    for name, value in result.items():
        if isinstance(value, dict):
            print_text({f"{name} {key}": inner for key, inner in value.items()})
        else:
            print(f"{name.replace('_', ' '):32} {value}")  # noqa: T201
