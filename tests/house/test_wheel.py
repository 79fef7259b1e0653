"""The wheel in, `handoff demo` out of it: what a checkout forgives (a file that is not packed) shows here."""

import json
import os
import shutil
import site
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("parsers", "rules", "streams")


def run(*words: object, cwd: Path) -> str:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("HANDOFF_", "COV_", "PYTHON"))}
    done = subprocess.run(
        [str(word) for word in words], cwd=cwd, env=clean, capture_output=True, text=True, timeout=250
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy, so that nothing is left in the tree."""
    source = tmp_path_factory.mktemp("source")
    for package in PACKAGES:
        shutil.copytree(ROOT / package, source / package, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    run(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", source / "dist", source, cwd=source)
    (built,) = (source / "dist").glob("*.whl")
    return built


@pytest.mark.slow
def test_every_file_is_in_it(wheel: Path) -> None:
    packed = set(zipfile.ZipFile(wheel).namelist())
    files = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    assert {Path(name).suffix for name in files} >= {".py", ".toml", ".html", ".css", ".js"}
    assert files - packed == set()


@pytest.mark.slow
def test_the_demo_runs_from_it(wheel: Path, tmp_path: Path) -> None:
    venv.create(tmp_path / "venv", with_pip=False)
    python = tmp_path / "venv" / "bin" / "python"
    run(sys.executable, "-m", "pip", "--python", python, "install", "-q", "--no-deps", wheel, cwd=tmp_path)
    ours = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=tmp_path).strip())
    around = {sysconfig.get_path("purelib"), *site.getsitepackages(), *(path for path in sys.path if "site" in path)}
    (ours / "around.pth").write_text("\n".join(sorted(around - {str(ROOT)})))
    assert Path(run(python, "-c", "import streams; print(streams.__file__)", cwd=tmp_path)).is_relative_to(ours)
    demo = run(tmp_path / "venv" / "bin" / "handoff", "demo", "--headless", "--seconds", 8, "--json", cwd=tmp_path)
    summary = json.loads(demo.strip().splitlines()[-1])
    assert summary["ledger"]["balanced"]
    assert summary["alerts"] > 0
