"""Every setting of every process: from `HANDOFF_*` in the environment, then `handoff.toml`, then the default.

`KAFKA_BOOTSTRAP_SERVERS` and `DATABASE_URL` are read under their usual names. A wrong value ends in
`SettingsError`, whose text names the setting and what is expected and never repeats the value.
"""

import math
import os
import re
import secrets
import tomllib
from collections.abc import Sequence
from contextlib import suppress
from contextvars import ContextVar
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from pydantic import AliasChoices, Field, PrivateAttr, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource
from pydantic_settings.exceptions import SettingsError as NotJson

from parsers.feeds import Feed, Feeds
from parsers.senders import Sender
from streams.run.files import private_folder
from streams.run.hash_keys import secret_from
from streams.run.problems import SettingsError

MiB = 1024 * 1024
_KEY_DIGITS = 64
_QUOTED = re.compile(r'"(\w+)"')
REPLAY_DAYS = 7  # what adt.raw.v1 keeps, see streams.kafka.topics
_own_file: ContextVar[bool] = ContextVar("own_file", default=False)


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
    kafka_security_protocol: str = Field(
        "PLAINTEXT",
        pattern="^(PLAINTEXT|SSL|SASL_PLAINTEXT|SASL_SSL)$",
        description="how we speak to Apache Kafka: PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL",
    )
    kafka_ca: Path | None = Field(None, description="PEM of the CA that signed the brokers; empty: the system's CAs")
    kafka_cert: Path | None = Field(None, description="PEM certificate chain we show to Apache Kafka")
    kafka_key: Path | None = Field(None, description="PEM private key of kafka_cert")
    kafka_sasl_mechanism: str = Field(
        "SCRAM-SHA-512",
        pattern="^(PLAIN|SCRAM-SHA-256|SCRAM-SHA-512)$",
        description="PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512",
    )
    kafka_sasl_username: str = Field("", description="whom we sign in to Apache Kafka as")
    kafka_sasl_password: SecretStr = Field(SecretStr(""), description="and with what")
    database_url: SecretStr = Field(
        SecretStr(""),
        validation_alias=AliasChoices("DATABASE_URL", "database_url"),
        description="postgresql://user:password@host/name; empty: SQLite in the data folder",
    )
    hash_key: SecretStr = Field(
        SecretStr(""),
        description="secret of the keyed hashes on topics; the same for all processes; empty: kept in the data folder",
    )
    other_hash_keys: tuple[SecretStr, ...] = Field(
        (),
        description="keys that open and find beside hash_key while it is changed: the next one, or those before it",
    )
    test_mode: bool = Field(False, description="take messages whose MSH-11 is D, T or N as if it were P")
    feeds: tuple[Feed, ...] = Field(
        (), description="how each hospital's feed is to be read ([[feeds]] in handoff.toml)"
    )
    senders: tuple[Sender, ...] = Field(
        (),
        description="who may send, by certificate, network or token, and for which facilities ([[senders]] in "
        "handoff.toml); none: whoever gets in, for all",
    )
    policy: Path | None = Field(None, description="a policy.toml of your own instead of the shipped one")
    routes: Path | None = Field(None, description="a routes.toml of your own instead of the shipped one")
    confidentiality: Path | None = Field(
        None, description="a confidentiality.toml of your own instead of the shipped one"
    )
    escalation: Path | None = Field(None, description="an escalation.toml of your own instead of the shipped one")
    guides: Path | None = Field(
        None, description="a folder of call guides and a letter.toml of your own, over the shipped ones"
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

    share_ports: bool = Field(
        False,
        description="several listeners, inboxes or FHIR servers of one machine behind the same ports, the first two "
        "with a data folder each (SO_REUSEPORT)",
    )
    journal_segment_bytes: int = Field(64 * MiB, ge=MiB, description="size of one journal segment (embedded broker)")
    journal_keep_hours: float = Field(24, ge=0, description="how long a segment stays after all its messages ended")
    broker_max_mb: int = Field(160, ge=64, description="memory at which `up` recycles the embedded broker")

    batch_max: int = Field(200, ge=1, le=10_000, description="most records in one batch of the worker")
    batch_seconds: float = Field(0.005, gt=0, le=5, description="how long a record waits for others to its batch")
    partitions: int = Field(8, ge=1, le=1024, description="partitions of each topic, when we create it")
    replication: int = Field(1, ge=1, le=9, description="replication factor of each topic, when we create it")
    crash_limit: int = Field(100, ge=1, description="quarantined records in ten minutes that park their sender")

    oidc_issuer: str = Field(
        "", description="issuer of the OpenID provider that people sign in at; empty: by what is enrolled here"
    )
    oidc_client_id: str = Field("", description="as what it knows the inbox")
    oidc_client_secret: Path | None = Field(None, description="file with the client's secret; none: a public client")
    oidc_claim: str = Field(
        "email",
        description="claim that names somebody's row of the directory the first time: `email`, if verified, is held "
        "against its e-mail, any other against its id",
    )
    inbox_contact: str = Field("", description="whom people ask who cannot sign in, as they read it on the page")
    inbox_host: str = Field("127.0.0.1", description="address the inbox binds to")
    inbox_port: int = Field(8080, ge=0, le=65535, description="its port")
    inbox_tls_cert: Path | None = Field(None, description="PEM certificate chain: the inbox speaks TLS 1.2+ when set")
    inbox_tls_key: Path | None = Field(None, description="PEM private key of inbox_tls_cert")
    inbox_proxy: tuple[str, ...] = Field(
        (),
        description='addresses or networks of the proxy in front, such as ["10.1.0.5"]: it speaks TLS for the inbox, '
        "and nobody else is let through",
    )
    lock_minutes: float = Field(15, gt=0, description="an idle page locks after so long")

    smtp_url: SecretStr = Field(
        SecretStr(""),
        description="smtps://user:password@host:port, or smtp:// for STARTTLS, of the relay that mails go to; "
        "empty: no mail",
    )
    mail_from: str = Field("", description="address that mails come from")
    direct_from: str = Field("", description="Direct address that event notifications come from; empty: none go")
    direct_cert: Path | None = Field(None, description="PEM of its certificate, with which they are signed")
    direct_key: Path | None = Field(None, description="PEM private key (RSA) of direct_cert")
    mailboxes: tuple[SecretStr, ...] = Field(
        (),
        description="imaps://user:password@host:port/FOLDER or maildir:///path: the mailboxes of mail_from and "
        "direct_from, to which bounces and confirmations (MDN) come back",
    )
    fhir_host: str = Field("127.0.0.1", description="address the FHIR server of `handoff tell` binds to")
    fhir_port: int = Field(0, ge=0, le=65535, description="its port; 0: no FHIR server")
    fhir_base: str = Field("", description="URL of its /fhir as clients reach it; empty: the address above, by http")
    front_page: str = Field("", description="URL of the inbox's front page, as people reach it: all that a mail links")
    tell_allow: tuple[str, ...] = Field(
        (), description='networks of your own that every destination may lie in, such as ["10.1.0.0/16"]'
    )
    tell_crls: Path | None = Field(
        None,
        description="file or folder of receivers' CAs with their revocation lists: who is on one is refused",
    )
    tell_hold_seconds: float = Field(
        60, ge=1, description="what a process that died had in hand is told by another after so long"
    )

    metrics_host: str = Field("127.0.0.1", description="address of /metrics, /healthz and /readyz")
    listen_metrics_port: int = Field(9101, ge=0, le=65535, description="their port on the listener")
    work_metrics_port: int = Field(9102, ge=0, le=65535, description="their port on the worker")
    inbox_metrics_port: int = Field(9103, ge=0, le=65535, description="their port on the inbox")
    tell_metrics_port: int = Field(9104, ge=0, le=65535, description="their port on `handoff tell`")

    ledger_days: int = Field(35, ge=1, description="how long the ending of each message is kept")
    unmatched_days: int = Field(
        14, ge=0, description="how long events of unknown people wait, encrypted, for late enrollment"
    )
    log_level: str = Field("INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$", description="DEBUG, INFO, WARNING or ERROR")

    _file: Path | None = PrivateAttr(None)

    @field_validator("ledger_days")
    @classmethod
    def _longer_than_any_replay(cls, value: int, info: ValidationInfo) -> int:
        hours = info.data.get("journal_keep_hours", 0)
        least = 1 + max(REPLAY_DAYS, math.ceil(hours / 24))
        if value < least:
            raise ValueError(f"expected at least {least}: longer than a message may come again")
        return value

    @field_validator("kafka_bootstrap_servers")
    @classmethod
    def _host_and_port(cls, value: str) -> str:
        if value and not all(
            re.fullmatch(r"[^\s,:]+:\d{1,5}|\[[0-9a-fA-F:]+\]:\d{1,5}", part) for part in value.split(",")
        ):
            raise ValueError("expected host:port, several separated by commas")
        return value

    @field_validator("inbox_proxy")
    @classmethod
    def _networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        try:
            return tuple(str(ip_network(network)) for network in value)
        except ValueError:
            raise ValueError('expected addresses or networks, such as ["10.1.0.5", "10.2.0.0/24"]') from None

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
        given = getattr(init_settings, "init_kwargs", {}).get("data_dir")
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, _config_file(given))

    @property
    def embedded(self) -> bool:
        """No Apache Kafka configured: the embedded broker carries, the journal is the durable place."""
        return not self.kafka_bootstrap_servers

    @property
    def fhir_url(self) -> str:
        """[base] of the FHIR server, without a slash at its end."""
        return self.fhir_base.rstrip("/") or f"http://{self.fhir_host}:{self.fhir_port}/fhir"

    @property
    def store_url(self) -> str:
        """SQLAlchemy URL of the store."""
        url = self.database_url.get_secret_value()
        if not url:
            return f"sqlite:///{self.data_dir.absolute() / 'handoff.sqlite3'}"
        return "postgresql+psycopg://" + url.split("://", 1)[1] if "://" in url else url

    @property
    def feeds_file(self) -> Path | None:
        """The `handoff.toml` that `feeds` follows, there or not; None where they were given otherwise."""
        return self._file

    def secret(self) -> bytes:
        """The hash keys (`keys_in`); the first is made once and kept in the data folder when none is configured."""
        others = [key.get_secret_value().encode() for key in self.other_hash_keys]
        if configured := self.hash_key.get_secret_value():
            return secret_from([configured.encode(), *others])
        path = self.key_file
        private_folder(self.data_dir)
        if not path.exists():
            write_key(path)
        keys = path.read_text(encoding="utf-8", errors="replace").strip().encode().splitlines()
        if not keys or min(map(len, keys)) < _KEY_DIGITS:
            raise SettingsError(
                f"{path} is empty or cut short: bring it back from your copy of the data folder; on a folder that has "
                "taken no message yet, delete it and start again"
            )
        return secret_from([*keys, *others])

    @property
    def key_file(self) -> Path:
        """Where the hash key is kept, a line each with those before it, unless it is configured."""
        return self.data_dir / "hash.key"

    def has_secret(self) -> bool:
        """Whether `secret` would find a key and not make one."""
        return bool(self.hash_key.get_secret_value()) or self.key_file.exists()

    def feed_for(self, application: str, facility: str) -> Feed:
        """The feed configured for MSH-3/MSH-4, else the one named `default`, else a plain one."""
        return Feeds(feeds=self.feeds).feed_for(application, facility)


def environment_name(setting: str) -> str:
    """The environment variable a setting is read from."""
    field = Settings.model_fields.get(setting)
    if field and isinstance(field.validation_alias, AliasChoices):
        return str(field.validation_alias.choices[0])
    return f"HANDOFF_{setting.upper()}"


def write_key(path: Path, before: Sequence[bytes] = ()) -> None:
    """A new key, with those `before` it in lines below: the file is whole or not there at all.

    The first is the same one for all who make it at the same time: written aside, then linked.
    """
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write("\n".join([secrets.token_hex(_KEY_DIGITS // 2), *(key.decode() for key in before)]))
            file.flush()
            os.fsync(file.fileno())
        if before:
            draft.replace(path)
        else:
            with suppress(FileExistsError):
                os.link(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def _config_file(folder: Path | str | None = None) -> Path:
    if not _own_file.get() and (named := os.environ.get("HANDOFF_CONFIG")):
        return Path(named)
    return Path(folder or os.environ.get("HANDOFF_DATA_DIR", "handoff-data")) / "handoff.toml"


def load_settings(*, only_own_file: bool = False, **overrides: Any) -> Settings:
    """Settings of this process. Raises `SettingsError` naming every wrong one.

    `handoff.toml` is the one in the data folder; HANDOFF_CONFIG names another, unless `only_own_file`.
    """
    before = _own_file.set(only_own_file)
    try:
        settings = Settings(**overrides)
        if "feeds" not in overrides and environment_name("feeds") not in os.environ:
            settings._file = _config_file(overrides.get("data_dir"))
        return settings
    except ValidationError as error:
        raise SettingsError("\n".join(_explain(fault) for fault in error.errors(include_input=False))) from None
    except NotJson as error:
        raise SettingsError(f'{_named_in(str(error))}: expected JSON in the environment, such as ["…"]') from None
    except tomllib.TOMLDecodeError:
        where = _config_file(overrides.get("data_dir"))
        raise SettingsError(f"{where} is not valid TOML: check quotes and brackets") from None
    except (OSError, UnicodeDecodeError):
        raise SettingsError(f"{_config_file(overrides.get('data_dir'))} cannot be read") from None
    finally:
        _own_file.reset(before)


def _named_in(said: str) -> str:
    """The setting that pydantic-settings could not read."""
    quoted = _QUOTED.search(said)
    return environment_name(quoted.group(1)) if quoted else "settings"


def _explain(fault: Any) -> str:
    setting = str(fault["loc"][0]).lower() if fault["loc"] else "settings"
    place = ".".join(str(part) for part in fault["loc"][1:])
    field = Settings.model_fields.get(setting)
    meaning = f" ({field.description})" if field and field.description else ""
    return f"{environment_name(setting)}{' at ' + place if place else ''}: {fault['msg']}{meaning}"
