"""How much room the disk of the data folder has stands on the metrics page, and nothing breaks that page."""

import math
import shutil
from pathlib import Path

from streams.run.disk import watch_disk
from streams.run.metrics import REGISTRY


def test_the_room_there_is_and_a_folder_that_goes_away(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    watch_disk(folder)
    free, whole = (REGISTRY.get_sample_value(name) for name in ("toc_disk_free_bytes", "toc_disk_bytes"))
    assert free and whole == shutil.disk_usage(tmp_path).total > free
    folder.rmdir()
    value = REGISTRY.get_sample_value("toc_disk_free_bytes")
    assert value is not None and math.isnan(value)
    watch_disk(tmp_path)
