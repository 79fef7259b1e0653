"""Everything we ask of a Kafka broker beside Faust: where it is, its topics, a producer, and how far a group has come.

Works the same on Apache Kafka and on the embedded broker, which knows no idempotent producers.
"""

import ssl
from typing import Any, Final

import structlog
from aiokafka import AIOKafkaProducer

from streams.kafka.generation import current_generation
from streams.run.problems import SettingsError
from streams.run.settings import Settings

log = structlog.get_logger()
OVERHEAD_BYTES: Final = 64 * 1024  # of a record and its headers around the message's own bytes


class BrokerAway(Exception):
    """The broker cannot be reached or does not answer in time: try again, lose nothing."""


def bootstrap_servers(settings: Settings) -> str:
    """`host:port,…` of the configured broker, or of the embedded one. Raises `BrokerAway` while that is not up."""
    if settings.kafka_bootstrap_servers:
        return settings.kafka_bootstrap_servers
    running = current_generation(settings.data_dir)
    if running is None:
        raise BrokerAway("no embedded broker runs on this data folder: start `handoff up`")
    return running.bootstrap


def record_bytes(settings: Settings) -> int:
    """The largest record we may have to put on a topic."""
    return settings.max_frame_bytes + OVERHEAD_BYTES


def client_options(settings: Settings) -> dict[str, Any]:
    """How every aiokafka client of ours speaks to the broker: TLS and SASL as configured, nothing on the embedded one.

    Raises `SettingsError` for settings that do not fit together or files that cannot be used.
    """
    protocol = "PLAINTEXT" if settings.embedded else settings.kafka_security_protocol
    if protocol == "PLAINTEXT":
        return {}
    options: dict[str, Any] = {"security_protocol": protocol}
    if protocol.endswith("SSL"):
        options["ssl_context"] = _tls(settings)
    if protocol.startswith("SASL"):
        password = settings.kafka_sasl_password.get_secret_value()
        if not (settings.kafka_sasl_username and password):
            raise SettingsError(
                "HANDOFF_KAFKA_SECURITY_PROTOCOL asks for SASL: "
                "set HANDOFF_KAFKA_SASL_USERNAME and HANDOFF_KAFKA_SASL_PASSWORD"
            )
        options["sasl_mechanism"] = settings.kafka_sasl_mechanism
        options["sasl_plain_username"] = settings.kafka_sasl_username
        options["sasl_plain_password"] = password
    return options


def _tls(settings: Settings) -> ssl.SSLContext:
    names = "HANDOFF_KAFKA_CA, HANDOFF_KAFKA_CERT and HANDOFF_KAFKA_KEY"
    if settings.kafka_key and not settings.kafka_cert:
        raise SettingsError("HANDOFF_KAFKA_KEY is set without HANDOFF_KAFKA_CERT: set both or none")
    try:
        context = ssl.create_default_context(cafile=settings.kafka_ca)
        if settings.kafka_cert:
            context.load_cert_chain(settings.kafka_cert, settings.kafka_key, password=lambda: "")
    except (OSError, ValueError):
        raise SettingsError(f"{names}: expected readable PEM files that fit, the key without a password") from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def make_producer(settings: Settings, *, bootstrap: str | None = None) -> AIOKafkaProducer:
    """A producer, not started yet, whose acknowledgement means the broker holds the record (all in-sync replicas)."""
    return AIOKafkaProducer(
        bootstrap_servers=bootstrap or bootstrap_servers(settings),
        acks="all",
        enable_idempotence=not settings.embedded,
        linger_ms=0 if settings.embedded else 2,
        max_request_size=record_bytes(settings) + 1024,
        request_timeout_ms=15_000,
        metadata_max_age_ms=60_000,
        **client_options(settings),
    )


def client_dead(client: Any) -> bool:
    """True when the task that keeps an aiokafka client's metadata fresh has ended: who waits for it waits for ever."""
    task = getattr(client, "_sync_task", None)
    return task is not None and bool(task.done())
