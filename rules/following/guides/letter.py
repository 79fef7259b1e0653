"""The letter to somebody whom nobody reached: its TOML, a person and a practice in, paragraphs ready to print out.

It names no hospital, no reason and no diagnosis: whoever opens it learns that a practice wants to talk, and how.
"""

import re
from typing import Annotated, Final, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from rules.following.guides.guide import Language, Text
from rules.policy.rule_file import RuleFault, checked

BLANKS: Final = frozenset({"name", "practice", "phone", "sender"})
_BLANK: Final = re.compile(r"\{([^{}]*)\}")


class Letter(BaseModel):
    """A checked `letter.toml`."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    greeting: Text
    paragraphs: Annotated[tuple[Text, ...], Field(min_length=1, max_length=8)]
    closing: Text

    @model_validator(mode="after")
    def _blanks_are_known(self) -> Self:
        for text in (self.greeting, *self.paragraphs, self.closing):
            for language in Language:
                if unknown := sorted(set(_BLANK.findall(text.said(language))) - BLANKS):
                    raise ValueError(
                        f"text: no blank is called {{{unknown[0]}}}; there are {', '.join(sorted(BLANKS))}"
                    )
        return self


class Printed(NamedTuple):
    """One letter with its blanks filled."""

    language: Language
    greeting: str
    paragraphs: tuple[str, ...]
    closing: str


def printed(letter: Letter, language: Language, *, name: str, practice: str, phone: str, sender: str) -> Printed:
    """The letter to `name`, from `sender` at `practice`, who answers at `phone`."""
    filling = {"name": name, "practice": practice, "phone": phone, "sender": sender}

    def fill(text: Text) -> str:
        return _BLANK.sub(lambda blank: filling[blank[1]], text.said(language))

    return Printed(
        language, fill(letter.greeting), tuple(fill(item) for item in letter.paragraphs), fill(letter.closing)
    )


def load_letter(text: str) -> Letter | tuple[RuleFault, ...]:
    """The letter a file describes, or every fault in it at once."""
    return checked(text, Letter)
