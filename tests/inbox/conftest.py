"""A store for each test; one Chromium for a module, an inbox process for each test, and the accessibility checker."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

from streams.run.settings import Settings
from tests.conftest import missing
from tests.rigs.browser import ARGUMENTS
from tests.rigs.inbox import InboxProcess, load_people, open_store, tell, town
from tests.rigs.servers import free_port


def pytest_collection_modifyitems(items):
    """A browser, an inbox and a store share two cores with all else: a test with a browser that fails runs once more.

    The closing line counts each such run; what fails twice fails.
    """
    for item in items:
        if "chrome" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.flaky(reruns=1))


@pytest.fixture
def settings(tmp_path):
    return Settings(data_dir=tmp_path, inbox_port=0, lock_minutes=15)


@pytest.fixture
def store(settings):
    opened = open_store(settings)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def chrome(chromium):
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def inbox(tmp_path):
    settings = Settings(data_dir=tmp_path, inbox_port=free_port())
    store = open_store(settings)
    people, versions = town()
    load_people(store, people)
    tell(store, *versions)
    process = InboxProcess(settings)
    process.store = store
    process.people = people
    process.url = process.start()
    yield process
    process.stop()
    store.close()


@pytest.fixture(scope="module")
def axe(tmp_path_factory):
    """The accessibility checker's source; it is a tool of this test, not a part of the page."""
    if path := os.environ.get("HANDOFF_AXE"):
        return Path(path).read_text()
    npm = shutil.which("npm")
    if not npm:
        missing("no npm to fetch the accessibility checker with (or set HANDOFF_AXE to its axe.min.js)")
    folder = tmp_path_factory.mktemp("axe")
    command = [npm, "install", "--prefix", str(folder), "--no-audit", "--no-fund", "--silent", "axe-core@4"]
    done = subprocess.run(command, capture_output=True, timeout=120, check=False)
    source = folder / "node_modules/axe-core/axe.min.js"
    if done.returncode or not source.exists():
        missing("the accessibility checker axe-core could not be fetched through npm")
    return source.read_text()
