"""A seed, a number of people and of days in; invented lives, what their hospitals send, and what should be told, out.

The truth comes from the lives: a person arrives, is admitted, goes home, and for each of these changes the row says who
should hear of it and which messages say so. Nothing here knows how we decide. Faults are then done to the messages, and
the truth keeps track: a message sent twice makes no second change, one that arrives late may be overtaken.

`truth.jsonl` holds one row a line, each with `row`:

| row | says |
|---|---|
| `stay` | `stay`, `hospital`, `enrollee` ("": tell nobody), `class` and `status` at the end, `messages`, `faults` |
| `change` | `enrollee` should be told `what` of `stay` (at `at`) by one of the messages `by` |
| `retraction` | what `enrollee` was told of `stay` should be taken back by one of `by`; `why` |
| `may` | a version of `stay` that one of `by` causes is neither asked for nor wrong |
| `noise` | `by` are messages about `enrollee` that belong to no stay we follow |
| `repeat` | `by` are copies of messages sent before: they should tell nothing |
"""

from datetime import datetime
from typing import Any, NamedTuple

from streams.invented.author import Author
from streams.invented.community import Community, sample_directory
from streams.invented.drafts import START, Faults, SentMessage
from streams.invented.staff import Staff, sample_staff


class Simulation(NamedTuple):
    """Everything of one run. `messages` are in order of arrival, hospitals together."""

    panel: list[dict[str, str]]
    directory: Community
    messages: list[SentMessage]
    truth: list[dict[str, Any]]
    staff: Staff


def simulate(patients: int, days: int, seed: int, faults: Faults | None = None, start: datetime = START) -> Simulation:
    """The same lives, messages and truth for the same arguments, on every machine. `start` is an aware time."""
    author = Author(patients, days, seed, faults or Faults(), start)
    author.live()
    messages = author.post()
    community, staff = sample_staff(sample_directory(seed), seed, start, days)
    return Simulation(author.panel(), community, messages, author.truth, staff)
