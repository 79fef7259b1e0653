"""A flood, a fifth of the destinations bad, the tellers killed: every good one has every version, and the sums hold."""

from pathlib import Path

import pytest

from tests.rigs.flood import Size, run
from tests.rigs.store import store_url

__all__ = ["store_url"]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_killed_in_the_middle_of_a_flood_every_good_destination_gets_every_version(
    store_url: str, tmp_path: Path
) -> None:
    """`tests.rigs.flood` says what is proven; by itself it runs at any size."""
    report = run(store_url, tmp_path, Size(versions=700, destinations=35, kills=3, deadline_seconds=400))
    assert report.due > report.versions, "networks have them beside their practices"
    assert report.waiting > 0, "what is due to the bad ones is kept"
