"""All that is read out or sent to a patient: files of one's own in, laid over the shipped ones; guides and letter out.

A file takes the place of the shipped one of its name; a further one is a further guide. So who changes one guide goes
on with the others as they come.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Final

from rules.following.guides.guide import Guide, load_guides
from rules.following.guides.letter import Letter, load_letter
from rules.policy.rule_file import RuleFault

LETTER: Final = "letter.toml"


@dataclass(frozen=True, slots=True)
class Scripts:
    """The call guides in their order, and the letter."""

    guides: tuple[Guide, ...]
    letter: Letter

    def guide(self, name: str) -> Guide | None:
        return next((guide for guide in self.guides if guide.name == name), None)


def load_scripts(own: Iterable[tuple[str, str]]) -> Scripts | tuple[RuleFault, ...]:
    """(file name, text) pairs over the shipped ones, or every fault of every file at once."""
    texts = _shipped() | dict(own)
    letter = load_letter(texts.pop(LETTER))
    guides = load_guides(texts.items())
    if isinstance(letter, Letter) and guides and isinstance(guides[0], Guide):
        return Scripts(tuple(guide for guide in guides if isinstance(guide, Guide)), letter)
    of_letter = () if isinstance(letter, Letter) else letter
    of_guides = tuple(fault for fault in guides if isinstance(fault, RuleFault))
    return (*of_guides, *(RuleFault(f"{LETTER}: {fault.place}", fault.message) for fault in of_letter))


@cache
def default_scripts() -> Scripts:
    """The shipped ones."""
    scripts = load_scripts(())
    assert isinstance(scripts, Scripts), scripts
    return scripts


@cache
def _shipped() -> dict[str, str]:
    files = (item for item in resources.files("rules.following.guides").iterdir() if item.name.endswith(".toml"))
    return {item.name: item.read_text(encoding="utf-8") for item in files}
