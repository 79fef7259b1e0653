"""What share of each room's lines and branches the tests run, and below which share the whole run fails."""

import io
from typing import Final

from coverage import Coverage

FLOORS: Final = {  # percent, some points under what was measured; what runs only in processes of its own is not counted
    "parsers": 97,
    "rules": 97,
    "streams/words": 95,
    "streams/tell/forms": 95,
    "streams": 85,
}


def shares(coverage: Coverage) -> dict[str, float]:
    """Percent of lines and branches that ran, by room; of what a run has measured and saved."""
    return {room: coverage.report(include=[f"{room}/*"], file=io.StringIO()) for room in FLOORS}


def below(measured: dict[str, float]) -> list[str]:
    """A sentence for each room under its floor."""
    return [
        f"{room}: {measured[room]:.1f} % of lines and branches ran, {floor} % is its floor"
        for room, floor in FLOORS.items()
        if measured[room] < floor
    ]
