"""Settings in, how much each recipient may read out: the configured confidentiality.toml or the shipped one."""

from rules.telling.confidentiality import Confidentiality, default_confidentiality, load_confidentiality
from streams.run.problems import Problem
from streams.run.settings import Settings


def confidentiality_of(settings: Settings) -> Confidentiality:
    """The configured one, else the shipped one. Raises `Problem` naming every fault: nothing is shown by a guess."""
    file = settings.confidentiality
    if file is None:
        return default_confidentiality()
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise Problem(f"{file} (HANDOFF_CONFIDENTIALITY) cannot be read") from None
    loaded = load_confidentiality(text)
    if isinstance(loaded, tuple):
        faults = "\n".join(f"  {fault.place}: {fault.message}" for fault in loaded)
        raise Problem(f"{file} has faults:\n{faults}")
    return loaded
