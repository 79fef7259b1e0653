"""Real servers for tests and the chaos harness: Apache Kafka from Maven's jars, PostgreSQL from the system.

Each `missing_*` function says in a sentence why a server cannot run here, or returns "" when it can.
"""

import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import time
import uuid
from collections.abc import Mapping
from pathlib import Path

KAFKA_POM = Path(__file__).with_name("kafka.xml")
KAFKA = "kafka-4.3.0"  # its jars: 43 MB
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "warm-handoff"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or ""


def free_port() -> int:
    """A TCP port on loopback that nobody listens on right now, and that no outgoing connection is given meanwhile."""
    while True:
        port = random.SystemRandom().randrange(12_000, 32_000)  # below the range of ports that Linux hands out itself
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port


def wait_for_port(port: int, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise TimeoutError(f"nothing listens on port {port} after {seconds} s")


def missing_java() -> str:
    return "" if shutil.which("java") else "no java on this machine (install a Java 17 runtime)"


def missing_jars(folder: str) -> str:
    if why := missing_java():
        return why
    if not any((CACHE / folder).glob("*.jar")) and not shutil.which("mvn"):
        return f"no mvn on this machine to fetch the jars of {folder} (install Maven)"
    return ""


def missing_kafka() -> str:
    return missing_jars(KAFKA)


def jars(pom: Path, name: str) -> Path:
    """The folder with what a pom names; fetched by Maven the first time."""
    folder = CACHE / name
    if not any(folder.glob("*.jar")):
        fetched = folder.with_name(f"{folder.name}.{uuid.uuid4().hex}")
        goal = ("dependency:copy-dependencies", f"-DoutputDirectory={fetched}")
        subprocess.run(["mvn", "-q", "-B", "-f", str(pom), *goal], check=True, timeout=300, stdin=subprocess.DEVNULL)
        try:
            fetched.rename(folder)
        except OSError:  # somebody else was first
            shutil.rmtree(fetched)
    return folder


class KafkaServer:
    """One KRaft node whose log is on disk: survives `kill()` and `start()`."""

    def __init__(
        self,
        folder: Path,
        *,
        heap: str = "512m",
        sasl: tuple[str, str] | None = None,
        node: int = 1,
        voters: Mapping[int, int] | None = None,
    ) -> None:
        """`sasl`: the one user and password it lets in, by SASL PLAIN. `voters`: the controllers' ports, by node."""
        self.folder = folder
        self.port = free_port()
        self.heap = heap
        self.process: subprocess.Popen[bytes] | None = None
        voters = voters or {node: free_port()}
        replicas, in_sync = len(voters), max(1, len(voters) - 1)
        folder.mkdir(parents=True, exist_ok=True)
        self._config = folder / "server.properties"
        clients = "SASL_PLAINTEXT" if sasl else "PLAINTEXT"
        secured = []
        if sasl:
            login = "org.apache.kafka.common.security.plain.PlainLoginModule required"
            user, word = sasl
            secured = [
                "listener.security.protocol.map=CONTROLLER:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT",
                "sasl.enabled.mechanisms=PLAIN",
                "sasl.mechanism.inter.broker.protocol=PLAIN",
                "inter.broker.listener.name=SASL_PLAINTEXT",
                "listener.name.sasl_plaintext.plain.sasl.jaas.config="
                f'{login} username="{user}" password="{word}" user_{user}="{word}";',
            ]
        self._config.write_text(
            "\n".join(
                [
                    "process.roles=broker,controller",
                    f"node.id={node}",
                    f"controller.quorum.voters={','.join(f'{n}@127.0.0.1:{port}' for n, port in voters.items())}",
                    f"listeners={clients}://127.0.0.1:{self.port},CONTROLLER://127.0.0.1:{voters[node]}",
                    f"advertised.listeners={clients}://127.0.0.1:{self.port}",
                    "controller.listener.names=CONTROLLER",
                    f"offsets.topic.replication.factor={replicas}",
                    f"min.insync.replicas={in_sync}",
                    "offsets.topic.num.partitions=8",
                    f"transaction.state.log.replication.factor={replicas}",
                    f"transaction.state.log.min.isr={in_sync}",
                    f"share.coordinator.state.topic.replication.factor={replicas}",
                    f"share.coordinator.state.topic.min.isr={in_sync}",
                    "group.initial.rebalance.delay.ms=0",
                    "auto.create.topics.enable=false",
                    f"log.dirs={folder / 'log'}",
                    *secured,
                ]
            )
        )
        self._java("kafka.tools.StorageTool", "format", "-t", "MkU3OEVBNTcwNTJENDM2Qg", "-c", str(self._config)).wait(
            60
        )

    @property
    def bootstrap(self) -> str:
        return f"127.0.0.1:{self.port}"

    def _java(self, main: str, *arguments: str) -> subprocess.Popen[bytes]:
        with (self.folder / "kafka.out").open("ab") as out:
            return subprocess.Popen(
                [
                    "java",
                    f"-Xmx{self.heap}",
                    "-Xms256m",
                    "-XX:+UseSerialGC",
                    "-XX:TieredStopAtLevel=1",  # up in half the time where cores are few
                    "-cp",
                    f"{jars(KAFKA_POM, KAFKA)}/*",
                    main,
                    *arguments,
                ],
                stdout=out,
                stderr=out,
                stdin=subprocess.DEVNULL,
            )

    def launch(self) -> None:
        self.process = self._java("kafka.Kafka", str(self._config))

    def start(self, seconds: float = 60) -> None:
        self.launch()
        wait_for_port(self.port, seconds)

    def kill(self) -> None:
        """As a crash would: SIGKILL."""
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None

    def stop(self) -> None:
        if self.process:
            self.process.terminate()
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.process = None


class KafkaCluster:
    """Three KRaft nodes, each broker and controller: of every topic three replicas, of which two must hold a record."""

    def __init__(self, folder: Path, *, heap: str = "384m") -> None:
        voters = {node: free_port() for node in (1, 2, 3)}
        self.nodes = [KafkaServer(folder / str(node), heap=heap, node=node, voters=voters) for node in voters]

    @property
    def bootstrap(self) -> str:
        return ",".join(node.bootstrap for node in self.nodes)

    def start(self) -> None:
        for node in self.nodes:
            node.launch()
        for node in self.nodes:
            wait_for_port(node.port, 180)

    def kill(self) -> None:
        for node in self.nodes:
            node.kill()


def _postgres_bin(name: str) -> str:
    installed = (
        sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}")) if Path("/usr/lib/postgresql").is_dir() else []
    )
    return str(installed[-1]) if installed else (shutil.which(name) or "")


def missing_postgres() -> str:
    if not (_postgres_bin("initdb") and _postgres_bin("postgres")):
        return "no PostgreSQL server on this machine (install the package postgresql)"
    if os.geteuid() == 0 and not shutil.which("runuser"):
        return "PostgreSQL does not run as root and there is no runuser"
    return ""


class PostgresServer:
    """One PostgreSQL on a free port of loopback, trusting local users."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "pg"
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)
        self.folder.mkdir()
        if os.geteuid() == 0:
            shutil.chown(self.folder, "postgres")
            for parent in [folder, *folder.parents]:  # a temp folder of root's is closed to the server's user
                if parent == Path("/") or parent.stat().st_uid != 0:
                    break
                if not parent.stat().st_mode & 0o001:
                    parent.chmod(parent.stat().st_mode | 0o011)
        command = [
            *self._as_user(),
            _postgres_bin("initdb"),
            "-D",
            str(self.folder),
            "-A",
            "trust",
            "-U",
            "postgres",
            "-E",
            "UTF8",
            "--no-sync",
        ]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL, timeout=120, cwd="/")

    @staticmethod
    def _as_user() -> list[str]:
        return ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []

    def start(self) -> None:
        options = [
            "-c",
            "listen_addresses=127.0.0.1",
            "-c",
            f"port={self.port}",
            "-c",
            f"unix_socket_directories={self.folder}",
            "-c",
            "fsync=off",  # survives any process killed; only a power cut would lose something, and none is tried here
        ]
        self.process = subprocess.Popen(
            [
                *self._as_user(),
                _postgres_bin("postgres"),
                "-D",
                str(self.folder),
                *options,
                "-c",
                "max_connections=200",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            stdin=subprocess.DEVNULL,
            cwd="/",
        )
        self._ready()

    def _ready(self) -> None:
        import psycopg

        deadline = time.monotonic() + 60
        while True:
            try:
                psycopg.connect(self.url("postgres"), connect_timeout=5).close()
                return
            except psycopg.OperationalError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)

    def url(self, database: str) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def new_database(self) -> str:
        """URL of a fresh, empty database."""
        import psycopg

        name = f"t{uuid.uuid4().hex[:16]}"
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return self.url(name)

    def stop(self) -> None:
        """Fast shutdown, whoever is connected."""
        if self.process:
            with contextlib.suppress(ProcessLookupError, FileNotFoundError):
                os.kill(int((self.folder / "postmaster.pid").read_text().splitlines()[0]), signal.SIGINT)
            self.process.wait(120)
            self.process = None
