"""The listener stands beside the hospital's interface engine: it loads what it needs, and never the matcher."""

import subprocess
import sys

import pytest

MARK = "loaded:"
FORBIDDEN = (
    "rules.matching",
    "rules.deciding",
    "rules.stays",
    "rules.policy.policy",
    "rules.telling",
    "rapidfuzz",
    "numpy",
    "nicknames",
    "holidays",
    "alembic",
    "faust",
    "jinja2",
    "streams.commands",
    "streams.inbox",
    "streams.store.panel",
    "streams.store.store",
    "streams.work",
)
PROCESS, HELP = "import streams.listen.process", "import runpy; runpy.run_module('streams', run_name='__main__')"


@pytest.mark.parametrize(("program", "most"), [(PROCESS, 920), (HELP, 480)])
def test_the_listener_loads_neither_the_matcher_nor_the_panel(program: str, most: int) -> None:
    report = f"import atexit, sys; atexit.register(lambda: print('{MARK}', *sorted(sys.modules)))\n"
    done = subprocess.run(
        [sys.executable, "-c", report + program, "listen", "--help"], capture_output=True, text=True, check=True
    )
    loaded = done.stdout.partition(MARK)[2].split()
    assert ("streams.run.settings" in loaded) == (program == PROCESS)  # help asks for no setting
    assert [name for name in loaded if name.startswith(FORBIDDEN)] == []
    assert len(loaded) <= most
