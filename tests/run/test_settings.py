"""Settings: where they come from, and errors that name the setting, say what is expected and repeat no value."""

import stat
from pathlib import Path

import pytest

from streams.invented.rehearsal import rehearsal_settings
from streams.kafka.topics import TOPICS, Topic
from streams.run.problems import SettingsError
from streams.run.settings import REPLAY_DAYS, Settings, environment_name, load_settings
from streams.up.supervisor import as_environment


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    for name in ("HANDOFF_CONFIG", "KAFKA_BOOTSTRAP_SERVERS", "DATABASE_URL", "HANDOFF_HASH_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HANDOFF_DATA_DIR", str(tmp_path))
    return tmp_path


def test_nothing_configured_is_everything_on_this_machine(tmp_path: Path) -> None:
    settings = load_settings()
    assert settings.embedded
    assert settings.store_url == f"sqlite:///{tmp_path / 'handoff.sqlite3'}"


def test_two_variables_switch_to_real_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "kafka:9092")
    monkeypatch.setenv("DATABASE_URL", "postgresql://u:p@db/handoff")
    settings = load_settings()
    assert not settings.embedded
    assert settings.store_url == "postgresql+psycopg://u:p@db/handoff"
    assert "p@db" not in repr(settings)


def test_file_then_environment_then_argument(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "handoff.toml").write_text(
        'mllp_port = 1111\nidle_seconds = 5\n[[feeds]]\nname = "a"\nsending = ["A"]\n'
    )
    assert load_settings().mllp_port == 1111
    monkeypatch.setenv("HANDOFF_MLLP_PORT", "2222")
    assert load_settings().mllp_port == 2222
    assert load_settings(mllp_port=3333).mllp_port == 3333
    assert load_settings().feed_for("X", "A").name == "a"
    assert load_settings().feed_for("X", "B").name == "default"


GIVEN = {  # where the default's own text is none that can be given
    "kafka_bootstrap_servers": "kafka:9092",
    "database_url": "postgresql://db/handoff",
    **dict.fromkeys(("feeds", "senders", "inbox_proxy"), "[]"),
    **dict.fromkeys(("tell_allow", "mailboxes", "other_hash_keys"), "[]"),
    **dict.fromkeys(
        (
            "policy",
            "routes",
            "confidentiality",
            "escalation",
            "tls_cert",
            "tls_key",
            "tls_client_ca",
            "kafka_ca",
            "kafka_cert",
            "kafka_key",
        ),
        "a.file",
    ),
}


@pytest.mark.parametrize("setting", Settings.model_fields)
def test_every_setting_is_read_from_the_variable_of_its_name(monkeypatch: pytest.MonkeyPatch, setting: str) -> None:
    default = Settings.model_fields[setting].default
    monkeypatch.setenv(environment_name(setting), GIVEN.get(setting, str(default)))
    assert setting in load_settings().model_fields_set


def test_the_usual_names_stay_as_they_are() -> None:
    names = [environment_name(setting) for setting in ("kafka_bootstrap_servers", "database_url", "mllp_port")]
    assert names == ["KAFKA_BOOTSTRAP_SERVERS", "DATABASE_URL", "HANDOFF_MLLP_PORT"]


WRONG = {
    "a word for a number": ("HANDOFF_MLLP_PORT", "secret-word", "HANDOFF_MLLP_PORT: Input should be a valid integer"),
    "out of range": ("HANDOFF_MLLP_PORT", "70000", "less than or equal to 65535"),
    "not one of the words": ("HANDOFF_LOG_LEVEL", "secret-word", "DEBUG, INFO, WARNING or ERROR"),
    "zero connections": ("HANDOFF_MAX_CONNECTIONS", "0", "HANDOFF_MAX_CONNECTIONS: Input should be greater"),
    "no scheme": ("DATABASE_URL", "secret-word", "DATABASE_URL"),
    "another database": ("DATABASE_URL", "mysql://secret-word/x", "DATABASE_URL"),
    "no port": ("KAFKA_BOOTSTRAP_SERVERS", "secret-word", "KAFKA_BOOTSTRAP_SERVERS"),
}


@pytest.mark.parametrize(("name", "value", "said"), WRONG.values(), ids=WRONG)
def test_a_wrong_value_s_error_names_the_setting_and_what_is_expected(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as error:
        load_settings()
    assert said in str(error.value)
    assert "secret-word" not in str(error.value)


def test_an_unknown_name_in_the_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "handoff.toml").write_text("mllp_prot = 1111\n")
    with pytest.raises(SettingsError, match="MLLP_PROT"):
        load_settings()


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('zone = "Mars/Olympus"', "feeds.*zone|FEEDS.*zone"),
        ('charset = "klingon"', "FEEDS.*charset"),
        ('facility_from = ["PV1-3.4.1"]', "FEEDS.*facility_from"),
        ('classes = { X = "NOPE" }', "FEEDS.*classes"),
    ],
)
def test_a_feed_that_cannot_be_used_is_an_error(tmp_path: Path, line: str, said: str) -> None:
    (tmp_path / "handoff.toml").write_text(f'[[feeds]]\nname = "a"\n{line}\n')
    with pytest.raises(SettingsError, match=said):
        load_settings()


def test_the_key_is_made_once_and_private(tmp_path: Path) -> None:
    settings = load_settings()
    assert settings.secret() == settings.secret()
    assert stat.S_IMODE((tmp_path / "hash.key").stat().st_mode) == 0o600
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o700
    assert load_settings(hash_key="other").secret() == b"other"


@pytest.mark.parametrize(
    ("days", "hours", "right"), [("8", "24", True), ("7", "24", False), ("30", "720", False), ("31", "720", True)]
)
def test_the_ledger_reaches_further_back_than_a_message_may_come_again(
    monkeypatch: pytest.MonkeyPatch, days: str, hours: str, right: bool
) -> None:
    monkeypatch.setenv("HANDOFF_LEDGER_DAYS", days)
    monkeypatch.setenv("HANDOFF_JOURNAL_KEEP_HOURS", hours)
    if right:
        assert load_settings().ledger_days == int(days)
    else:
        with pytest.raises(SettingsError, match=r"HANDOFF_LEDGER_DAYS: .*at least \d+: longer than a message may come"):
            load_settings()


def test_the_ledger_knows_what_the_topic_keeps() -> None:
    assert TOPICS[Topic.RAW].retention_days == TOPICS[Topic.EVENTS].retention_days == REPLAY_DAYS


def test_the_file_is_that_of_the_data_folder_given(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "handoff.toml").write_text("mllp_port = 1111\n")
    other = tmp_path / "other"
    other.mkdir()
    assert load_settings(data_dir=other).mllp_port == 2575
    (other / "handoff.toml").write_text("mllp_port = 2222\n")
    assert load_settings(data_dir=other).mllp_port == 2222
    monkeypatch.setenv("HANDOFF_CONFIG", str(tmp_path / "handoff.toml"))
    assert load_settings(data_dir=other).mllp_port == 1111
    assert load_settings(only_own_file=True, data_dir=other).mllp_port == 2222


def test_a_rehearsal_reads_no_other_folder_s_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "handoff.toml").write_text('database_url = "postgresql://real/people"\nmllp_prot = 1\n')
    monkeypatch.setenv("HANDOFF_CONFIG", str(tmp_path / "handoff.toml"))
    assert rehearsal_settings(tmp_path / "demo").store_url.startswith("sqlite")


def test_a_file_that_cannot_be_read_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "handoff.toml").write_bytes(b"\xff\xfe\xfa")
    with pytest.raises(SettingsError, match=r"handoff\.toml"):
        load_settings()


LISTS = """
inbox_proxy = ["10.1.0.5"]
tell_allow = ["10.1.0.0/16"]
mailboxes = ["maildir:///srv/mail"]
mllp_port = 29775

[[feeds]]
name = "mission"
sending = ["MISSION"]

[[senders]]
name = "mission"
facilities = ["MISSION"]
networks = ["10.4.0.0/24"]
"""


def test_children_of_up_come_to_the_same_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "handoff.toml").write_text(LISTS)
    ours = load_settings(data_dir=tmp_path, inbox_port=29708)
    for name, value in as_environment(ours).items():
        monkeypatch.setenv(name, value)
    assert load_settings() == ours


def test_a_list_in_the_environment_that_is_no_json_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HANDOFF_SENDERS", "mission")
    with pytest.raises(SettingsError, match=r"HANDOFF_SENDERS: expected JSON"):
        load_settings()
