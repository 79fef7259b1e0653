"""Every setting of every process: from `HANDOFF_*` in the environment, then `handoff.toml`, then the default.

`KAFKA_BOOTSTRAP_SERVERS` and `DATABASE_URL` are read under their usual names. A wrong value ends in
`SettingsError`, whose text names the setting and what is expected and never repeats the value.
"""

import os
import re
import secrets
import tomllib
from pathlib import Path
from typing import Any

from pydantic import AliasChoices, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from parsers.feeds import Feed
from streams.problems import Problem

MiB = 1024 * 1024


class SettingsError(Problem):
    """A setting cannot be used; the text says which and what is expected."""


class Settings(BaseSettings):
    model_config = SettingsConfigDict(
        env_prefix="HANDOFF_", extra="forbid", hide_input_in_errors=True, populate_by_name=True, frozen=True
    )

    data_dir: Path = Field(Path("handoff-data"), description="folder of everything kept: store, journal, key, settings")
    kafka_bootstrap_servers: str = Field(
        "",
        validation_alias=AliasChoices("KAFKA_BOOTSTRAP_SERVERS", "kafka_bootstrap_servers"),
        description="host:port,… of Apache Kafka; empty: the embedded broker that `up` and `demo` run",
    )
    database_url: SecretStr = Field(
        SecretStr(""),
        validation_alias=AliasChoices("DATABASE_URL", "database_url"),
        description="postgresql://user:password@host/name; empty: SQLite in the data folder",
    )
    hash_key: SecretStr = Field(
        SecretStr(""),
        description="secret of the keyed hashes on topics; the same for all processes; empty: kept in the data folder",
    )
    test_mode: bool = Field(False, description="take MSH-11 other than P as if it were P")
    feeds: tuple[Feed, ...] = Field(
        (), description="how each hospital's feed is to be read ([[feeds]] in handoff.toml)"
    )
    policy: Path | None = Field(None, description="a policy.toml of your own instead of the shipped one")
    routes: Path | None = Field(None, description="a routes.toml of your own instead of the shipped one")
    confidentiality: Path | None = Field(
        None, description="a confidentiality.toml of your own instead of the shipped one"
    )

    mllp_host: str = Field("127.0.0.1", description="address the MLLP listener binds to")
    mllp_port: int = Field(2575, ge=0, le=65535, description="its port; 0 takes any free one")
    tls_cert: Path | None = Field(None, description="PEM certificate chain: MLLP and POST /hl7 speak TLS 1.2+ when set")
    tls_key: Path | None = Field(None, description="PEM private key of tls_cert")
    tls_client_ca: Path | None = Field(None, description="PEM CA: clients must show a certificate it signed")
    http_port: int = Field(2580, ge=0, le=65535, description="port of POST /hl7, on mllp_host")
    http_token: SecretStr = Field(SecretStr(""), description="bearer token POST /hl7 asks for; empty: loopback only")
    max_frame_bytes: int = Field(10 * MiB, ge=1024, le=64 * MiB, description="largest message taken")
    frame_seconds: float = Field(30, gt=0, description="longest time from a frame's first byte to its last")
    idle_seconds: float = Field(3600, gt=0, description="a connection silent for so long is closed")
    max_connections: int = Field(1000, ge=1, description="connections in all")
    max_connections_per_peer: int = Field(100, ge=1, description="connections from one address")
    max_buffered_bytes: int = Field(256 * MiB, ge=MiB, description="bytes of unfinished and unanswered frames in all")
    accept_seconds: float = Field(5, gt=0, description="how long the broker or the disk may take before we answer AE")

    journal_segment_bytes: int = Field(64 * MiB, ge=MiB, description="size of one journal segment (embedded broker)")
    journal_keep_hours: float = Field(24, ge=0, description="how long a segment stays after all its messages ended")
    broker_max_mb: int = Field(160, ge=64, description="memory at which `up` recycles the embedded broker")

    batch_max: int = Field(200, ge=1, le=10_000, description="most records in one batch of the worker")
    batch_seconds: float = Field(0.005, gt=0, le=5, description="how long a record waits for others to its batch")
    partitions: int = Field(8, ge=1, le=1024, description="partitions of each topic, when we create it")
    replication: int = Field(1, ge=1, le=9, description="replication factor of each topic, when we create it")
    crash_limit: int = Field(100, ge=1, description="quarantined records in ten minutes at which a worker stops")

    inbox_host: str = Field("127.0.0.1", description="address the inbox binds to; loopback until real sign-in exists")
    inbox_port: int = Field(8080, ge=0, le=65535, description="its port")
    lock_minutes: float = Field(15, gt=0, description="an idle page locks after so long")

    metrics_host: str = Field("127.0.0.1", description="address of /metrics, /healthz and /readyz")
    listen_metrics_port: int = Field(9101, ge=0, le=65535, description="their port on the listener")
    work_metrics_port: int = Field(9102, ge=0, le=65535, description="their port on the worker")
    inbox_metrics_port: int = Field(9103, ge=0, le=65535, description="their port on the inbox")

    ledger_days: int = Field(35, ge=1, description="how long the ending of each message is kept")
    unmatched_days: int = Field(
        14, ge=0, description="how long events of unknown people wait, encrypted, for late enrollment"
    )
    log_level: str = Field("INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$", description="DEBUG, INFO, WARNING or ERROR")

    @field_validator("kafka_bootstrap_servers")
    @classmethod
    def _host_and_port(cls, value: str) -> str:
        if value and not all(
            re.fullmatch(r"[^\s,:]+:\d{1,5}|\[[0-9a-fA-F:]+\]:\d{1,5}", part) for part in value.split(",")
        ):
            raise ValueError("expected host:port, several separated by commas")
        return value

    @field_validator("database_url")
    @classmethod
    def _postgresql(cls, value: SecretStr) -> SecretStr:
        if value.get_secret_value() and not re.match(r"postgres(ql)?(\+psycopg)?://", value.get_secret_value()):
            raise ValueError("expected postgresql://user:password@host/name")
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, _config_file())

    @property
    def embedded(self) -> bool:
        """No Apache Kafka configured: the embedded broker carries, the journal is the durable place."""
        return not self.kafka_bootstrap_servers

    @property
    def store_url(self) -> str:
        """SQLAlchemy URL of the store."""
        url = self.database_url.get_secret_value()
        if not url:
            return f"sqlite:///{self.data_dir.absolute() / 'handoff.sqlite3'}"
        return "postgresql+psycopg://" + url.split("://", 1)[1] if "://" in url else url

    def secret(self) -> bytes:
        """Key of the keyed hashes; made once and kept in the data folder when none is configured."""
        if configured := self.hash_key.get_secret_value():
            return configured.encode()
        path = self.data_dir / "hash.key"
        private_folder(self.data_dir)
        try:
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(secrets.token_hex(32))
        except FileExistsError:
            pass
        return path.read_text().strip().encode()

    def feed_for(self, application: str, facility: str) -> Feed:
        """The feed configured for MSH-3/MSH-4, else the one named `default`, else a plain one."""
        fallback = Feed()
        for feed in self.feeds:
            if facility in feed.sending or f"{application}|{facility}" in feed.sending:
                return feed
            if feed.name == "default":
                fallback = feed
        return fallback


def environment_name(setting: str) -> str:
    """The environment variable a setting is read from."""
    field = Settings.model_fields.get(setting)
    if field and isinstance(field.validation_alias, AliasChoices):
        return str(field.validation_alias.choices[0])
    return f"HANDOFF_{setting.upper()}"


def _config_file() -> Path:
    if named := os.environ.get("HANDOFF_CONFIG"):
        return Path(named)
    return Path(os.environ.get("HANDOFF_DATA_DIR", "handoff-data")) / "handoff.toml"


def private_folder(path: Path) -> Path:
    """The folder, made if need be, readable by its owner only."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.chmod(0o700)
    return path


def load_settings(**overrides: Any) -> Settings:
    """Settings of this process. Raises `SettingsError` naming every wrong one."""
    try:
        return Settings(**overrides)
    except ValidationError as error:
        raise SettingsError("\n".join(_explain(fault) for fault in error.errors(include_input=False))) from None
    except tomllib.TOMLDecodeError:
        raise SettingsError(f"{_config_file()} is not valid TOML: check quotes and brackets") from None


def _explain(fault: Any) -> str:
    setting = str(fault["loc"][0]).lower() if fault["loc"] else "settings"
    place = ".".join(str(part) for part in fault["loc"][1:])
    field = Settings.model_fields.get(setting)
    meaning = f" ({field.description})" if field and field.description else ""
    return f"{environment_name(setting)}{' at ' + place if place else ''}: {fault['msg']}{meaning}"
