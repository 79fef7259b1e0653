"""The configured policy.toml in, the policy in force out: read again whenever the file changes."""

import time
from pathlib import Path
from typing import Final

import structlog

from rules.policy.policy import Policy, default_policy, load_policy
from rules.policy.rule_file import PolicyFault
from streams.run import metrics
from streams.run.problems import SettingsError

_POLICY_SECONDS: Final = 2.0

log = structlog.get_logger()


class PolicyFile:
    """The policy in force: the shipped one, or a file, read again when it changes. A bad change changes nothing."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._looked = time.monotonic()
        self._stamp = self._stat()
        self._policy = default_policy()
        if path is not None:
            loaded = self._load(path)
            if isinstance(loaded, tuple):
                faults = "; ".join(f"{fault.place}: {fault.message}" for fault in loaded)
                raise SettingsError(f"HANDOFF_POLICY names a policy that does not load: {faults}")
            self._policy = loaded

    def current(self) -> Policy:
        if self._path is not None and time.monotonic() - self._looked > _POLICY_SECONDS:
            self._looked = time.monotonic()
            stamp = self._stat()
            if stamp != self._stamp:
                self._stamp = stamp
                self._reload(self._path)
        return self._policy

    def _reload(self, path: Path) -> None:
        loaded = self._load(path)
        if isinstance(loaded, tuple):
            metrics.POLICY_RELOAD_FAILURES.inc()
            log.error("policy_not_reloaded", faults=[f"{fault.place}: {fault.message}" for fault in loaded])
            return
        self._policy = loaded
        log.info("policy_reloaded")

    @staticmethod
    def _load(path: Path) -> Policy | tuple[PolicyFault, ...]:
        try:
            return load_policy(path.read_text())
        except (OSError, UnicodeDecodeError) as error:
            return (PolicyFault("file", type(error).__name__),)

    def _stat(self) -> tuple[int, int] | None:
        try:
            found = self._path.stat() if self._path else None
        except OSError:
            return None
        return (found.st_mtime_ns, found.st_size) if found else None
