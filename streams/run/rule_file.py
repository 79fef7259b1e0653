"""Settings and a kind of rule file in, what it sets now out: read again as it changes; a bad change changes nothing."""

import threading
import time
from collections.abc import Callable, Iterable
from enum import StrEnum
from pathlib import Path
from typing import Final, Generic, NamedTuple, TypeVar

import structlog

from rules.policy.rule_file import RuleFault
from streams.run import metrics
from streams.run.problems import SettingsError
from streams.run.settings import Settings, environment_name

_LOOK_SECONDS: Final = 2.0

log = structlog.get_logger()
V = TypeVar("V")


class Rule(StrEnum):
    """What a rule file sets; also the name of its setting."""

    POLICY = "policy"
    ROUTES = "routes"
    CONFIDENTIALITY = "confidentiality"
    ESCALATION = "escalation"
    GUIDES = "guides"
    FEEDS = "feeds"
    SENDERS = "senders"


class RuleKind(NamedTuple, Generic[V]):
    """A row: where such a file lies, if anywhere, and what its text says; what holds without one."""

    rule: Rule
    file: Callable[[Settings], Path | None]
    load: Callable[[Path], V | tuple[RuleFault, ...] | list[RuleFault]]
    shipped: Callable[[Settings], V]
    may_be_missing: bool = False  # at the start: then the shipped one holds until there is one
    original: str = ""  # the shipped file, or folder of files, below `rules/`


def text(
    load: Callable[[str], V | tuple[RuleFault, ...] | list[RuleFault]],
) -> Callable[[Path], V | tuple[RuleFault, ...] | list[RuleFault]]:
    """What reads a file by its text."""
    return lambda path: load(path.read_text(encoding="utf-8"))


def texts(
    load: Callable[[Iterable[tuple[str, str]]], V | tuple[RuleFault, ...]],
) -> Callable[[Path], V | tuple[RuleFault, ...]]:
    """What reads a folder by the names and texts of its files."""
    return lambda folder: load([(path.name, path.read_text(encoding="utf-8")) for path in _files(folder)])


class RuleFile(Generic[V]):
    """A rule file, or folder, of a running process. Raises `SettingsError` when what it starts with has faults."""

    def __init__(self, kind: RuleKind[V], settings: Settings) -> None:
        self._kind = kind
        self._path = kind.file(settings)
        self._stamp = self._seen = _stamp(self._path)
        self._looked = time.monotonic()
        self._looking = threading.Lock()
        missing = self._path is None or (kind.may_be_missing and self._stamp is None)
        self._value = kind.shipped(settings) if missing or self._path is None else load_file(kind, self._path)
        metrics.RULE_FILE_BAD.labels(kind.rule).set(0)

    def current(self) -> V:
        """What is in force now. The file is looked at every two seconds, and taken when two looks find it the same."""
        path = self._path
        if path is not None and time.monotonic() - self._looked >= _LOOK_SECONDS and self._looking.acquire(False):
            try:
                self._looked = time.monotonic()
                self._look(path)
            finally:
                self._looking.release()
        return self._value

    def _look(self, path: Path) -> None:
        stamp = _stamp(path)
        settled, self._seen = stamp == self._seen, stamp
        if stamp == self._stamp or not settled:
            return
        self._stamp = stamp
        try:
            self._value = load_file(self._kind, path)
        except SettingsError as error:
            log.error("rule_file_not_reloaded", file=self._kind.rule.value, why=str(error))
            metrics.RULE_FILE_BAD.labels(self._kind.rule).set(1)
        else:
            log.info("rule_file_reloaded", file=self._kind.rule.value)
            metrics.RULE_FILE_BAD.labels(self._kind.rule).set(0)


def load_file(kind: RuleKind[V], path: Path) -> V:
    """What the file says. Raises `SettingsError` naming every fault of it."""
    name = f"[[{kind.rule}]]" if kind.rule in {Rule.FEEDS, Rule.SENDERS} else environment_name(kind.rule)
    try:
        loaded = kind.load(path)
    except (OSError, UnicodeDecodeError):
        raise SettingsError(f"{name}: {path} cannot be read") from None
    if isinstance(loaded, tuple | list):
        faults = "\n".join(f"  {fault.place}: {fault.message}" for fault in loaded)
        raise SettingsError(f"{name}: {path} has faults:\n{faults}")
    return loaded


def _files(path: Path) -> list[Path]:
    """A file itself; of a folder its rule files, without what an editor leaves beside them."""
    return sorted(path.glob("[!.]*.toml")) if path.is_dir() else [path]


def _stamp(path: Path | None) -> tuple[tuple[str, int, int, int], ...] | None:
    try:
        stats = [(file.name, file.stat()) for file in _files(path)] if path else None
    except OSError:
        return None
    return (
        tuple((name, stat.st_mtime_ns, stat.st_size, stat.st_ino) for name, stat in stats)
        if stats is not None
        else None
    )
