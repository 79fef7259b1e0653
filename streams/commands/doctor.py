"""`handoff doctor`: looks over the whole way and says, of each part, what is wrong and what to do.

Every check is a function from settings to `Finding`s; a check that cannot run because an earlier part is missing
says so. JSON: `{"ok": bool, "checks": [{"part", "state": "ok" | "warning" | "wrong", "what", "do"}]}`.
"""

import asyncio
import json
import logging
import os
import re
import ssl
import stat
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from operator import itemgetter
from typing import Final

from cryptography import x509
from rich.console import Console
from rich.table import Table
from rich.text import Text

from parsers.outcomes import RejectCode
from rules.feeds.rhythm import Talk
from rules.telling.directory import BUILT_IN_CENTRAL_OFFICE
from streams.commands.doctor_telling import destinations, revocation_lists
from streams.commands.finding import Finding, State
from streams.inbox.sign_in.provider import Provider, ProviderAway
from streams.kafka.admin import missing_topics
from streams.kafka.client import BrokerAway, bootstrap_servers, client_options
from streams.kafka.generation import current_generation
from streams.kafka.offsets import OffsetClient
from streams.run.disk import free_bytes
from streams.run.problems import Problem, SettingsError
from streams.run.processes import PROCESSES
from streams.run.rule_file import load_file
from streams.run.rule_files import RULE_FILES
from streams.run.settings import Settings, environment_name, load_settings
from streams.run.site_file import FEEDS, SENDERS
from streams.store import Store, StoreOutdated, Unavailable
from streams.store.keeping_up import HASH_KEY
from streams.store.keys import is_being_rotated
from streams.store.ledger import first_id
from streams.words import feeds as feed_words
from streams.words import numbers as number_words

_NOTICE_LATE: Final = timedelta(hours=1)
_STALE_PANEL: Final = timedelta(days=90)
_FRAMING: Final = {
    RejectCode.FRAME_GARBAGE: "bytes outside a frame, or a message without its start (VT)",
    RejectCode.FRAME_TIMEOUT: "a frame that did not end in time",
    RejectCode.NOT_MLLP: "another protocol on the MLLP port",
}
_FOREIGN: Final = re.compile(r'toc_sender_messages_total\{said="(sender_unknown|other_facility)",sender="(.*)"\}')
_SHOWN: Final = re.compile(r'toc_sender_certificate_not_after_timestamp_seconds\{sender="(.*)"\}')
_SIGNS: Final = {State.OK: ("ok", "green"), State.WARNING: ("look", "yellow"), State.WRONG: ("wrong", "red")}


def run_doctor(*, as_json: bool) -> int:
    """Prints every finding; status 1 when something is wrong."""
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # what it would say is said below, in words
    findings = list(examine())
    ok = all(finding.state is not State.WRONG for finding in findings)
    if as_json:
        print(json.dumps({"ok": ok, "checks": [finding._asdict() for finding in findings]}))  # noqa: T201
    else:
        table = Table(box=None, padding=(0, 2), show_header=False)
        for finding in findings:
            word, color = _SIGNS[finding.state]
            table.add_row(
                finding.part, Text(word, style=color), finding.what + (f"\n→ {finding.do}" if finding.do else "")
            )
        Console().print(table)
    return 0 if ok else 1


def examine() -> Iterator[Finding]:
    """All findings in the order of the way: settings, folder, broker, topics, store, panel, processes, lag, TLS."""
    try:
        settings = load_settings()
    except SettingsError as error:
        yield Finding("settings", State.WRONG, str(error), "correct it in the environment or in handoff.toml")
        return
    kind = "embedded broker" if settings.embedded else "Apache Kafka"
    store = "PostgreSQL" if settings.database_url.get_secret_value() else "SQLite"
    yield Finding("settings", State.OK, f"{kind}, {store}, {len(settings.feeds)} feeds configured")
    for check in (_folder, _watched_folders, _rules, _broker, _store, _processes, _sign_in, _certificates):
        yield from check(settings)
    yield from revocation_lists(settings)


def _folder(settings: Settings) -> Iterator[Finding]:
    folder = settings.data_dir
    if not folder.is_dir():
        yield Finding("data folder", State.WARNING, f"{folder} is not there yet", "it is made at the first start")
        return
    mode = stat.S_IMODE(folder.stat().st_mode)
    if mode & 0o077:
        yield Finding("data folder", State.WRONG, f"{folder} can be read by others", f"chmod 700 {folder}")
    elif not os.access(folder, os.W_OK):
        yield Finding("data folder", State.WRONG, f"{folder} cannot be written", "run as the user who owns it")
    else:
        gigabytes = free_bytes(folder) / 1e9
        state, do = (State.OK, "") if gigabytes > 2 else (State.WRONG, "make room: a full disk answers AE to hospitals")
        yield Finding("data folder", state, f"{folder}, {gigabytes:.1f} GB free", do)


def _watched_folders(settings: Settings) -> Iterator[Finding]:
    for feed in settings.feeds:
        if not feed.folder:
            continue
        usable = os.access(feed.folder, os.R_OK | os.W_OK | os.X_OK)
        do = "" if usable else "make it, and let the listener's user write there"
        yield Finding(f"folder of {feed.name}", State.OK if usable else State.WRONG, feed.folder, do)


def _rules(settings: Settings) -> Iterator[Finding]:
    for kind in RULE_FILES:
        file = kind.file(settings)
        if file is None or (kind.may_be_missing and not file.exists()):
            yield Finding(kind.rule, State.OK, "as the settings say" if kind in {FEEDS, SENDERS} else "the shipped one")
            continue
        try:
            load_file(kind, file)
        except SettingsError as error:
            do = f"correct {file if file.exists() else environment_name(kind.rule)}"
            yield Finding(kind.rule, State.WRONG, str(error), do)
        else:
            yield Finding(kind.rule, State.OK, str(file))


def _broker(settings: Settings) -> Iterator[Finding]:
    try:
        bootstrap = bootstrap_servers(settings)
        missing = asyncio.run(missing_topics(bootstrap, **client_options(settings)))
    except SettingsError as error:
        yield Finding("broker", State.WRONG, str(error), "correct the setting or the file it names")
        return
    except BrokerAway as error:
        if settings.embedded:
            yield Finding("broker", State.WARNING, "no embedded broker runs", "start `handoff up`")
        else:
            text = f"no answer at KAFKA_BOOTSTRAP_SERVERS ({error})"
            yield Finding("broker", State.WRONG, text, "is it running, is the address reachable from here?")
        return
    yield Finding("broker", State.OK, bootstrap)
    if missing:
        names = ", ".join(sorted(missing))
        yield Finding("topics", State.WRONG, f"missing: {names}", "start the worker: it creates them")
        return
    yield Finding("topics", State.OK, "all there")
    try:
        lag = asyncio.run(_lag(bootstrap, settings))
    except BrokerAway as error:
        yield Finding("lag", State.WRONG, f"offsets cannot be asked ({error})", "see the broker's own log")
        return
    behind = ", ".join(f"{topic}: {count}" for topic, count in lag.items())
    state = State.OK if sum(lag.values()) < 10_000 else State.WARNING
    yield Finding("lag", state, behind, "" if state is State.OK else "start more workers")


async def _lag(bootstrap: str, settings: Settings) -> dict[str, int]:
    client = OffsetClient(bootstrap, **client_options(settings))
    try:
        return {topic.value: count for topic, count in (await client.ask()).lag().items()}
    finally:
        await client.close()


def _store(settings: Settings) -> Iterator[Finding]:
    if settings.store_url.startswith("sqlite") and not (settings.data_dir / "handoff.sqlite3").exists():
        yield Finding("store", State.WARNING, "no store yet", "it is made by `handoff up` or `handoff migrate`")
        return
    try:
        store = Store.open(settings.store_url)
    except StoreOutdated as error:
        yield Finding("migrations", State.WRONG, str(error), "run `handoff migrate`")
        return
    except (Unavailable, Problem) as error:
        yield Finding("store", State.WRONG, f"cannot be opened ({error})", "check DATABASE_URL and that it is running")
        return
    try:
        yield Finding("store", State.OK, "reachable, migrations up to date")
        if settings.has_secret() or not (store.keeping_up.fact(HASH_KEY) or store.unmatched.seals()):
            yield Finding("hash key", State.OK, "there" if settings.has_secret() else "is made at the first start")
            if is_being_rotated(settings, store):
                yield Finding("hash key", State.WARNING, "its change was broken off", "run `handoff rotate-key`")
        else:
            yield Finding("hash key", State.WRONG, "missing", "bring back hash.key from your copy of the data folder")
        yield from endings(store, datetime.now(UTC))
        for parked in store.keeping_up.parked():
            what = f"{parked.sender} since {parked.since:%Y-%m-%d %H:%M} UTC, after {parked.code}"
            do = f"its messages are set aside unread: mend the cause, then `handoff feed resume '{parked.sender}'`"
            yield Finding("parked feed", State.WRONG, what, do)
        if waiting := store.quarantine.waiting():
            what = f"{number_words.count(waiting, 'message')} that our code failed on, of which nobody is told"
            do = "`handoff quarantine list` says where it failed; mend that, then `handoff quarantine replay`"
            yield Finding("quarantine", State.WRONG, what, do)
        yield from quiet_feeds(store)
        yield from panel_and_directory(store)
        yield from destinations(settings, store)
        yield from unsent_notices(store, datetime.now(UTC))
    finally:
        store.close()


def endings(store: Store, now: datetime) -> Iterator[Finding]:
    """What became of the messages of a day, by the ledger: metrics miss what a killed process had counted."""
    ended = store.ledger.endings(first_id(now - timedelta(days=1)))
    words = ", ".join(f"{count:,} {ending}" for ending, count in sorted(ended.items(), key=itemgetter(1), reverse=True))
    text = f"{number_words.count(sum(ended.values()), 'message')} of the last day{': ' if words else ''}{words}"
    yield Finding("ledger", State.OK, text)


def quiet_feeds(store: Store) -> Iterator[Finding]:
    """Each feed that is quiet for its own rhythm, or paused as planned."""
    now, known = datetime.now(UTC), store.feed_talk.all()
    for feed_state in known:
        words = feed_words.quiet(feed_state.state, now, store.database.zone)
        if feed_state.state.talk is Talk.PAUSED and words:
            yield Finding(f"feed {feed_state.feed}", State.OK, words)
        elif words:
            state = State.WRONG if feed_state.state.talk is Talk.SILENT else State.WARNING
            do = "look at its connection, and call the hospital's interface desk"
            yield Finding(f"feed {feed_state.feed}", state, words, do)
    learning = sum(feed_state.state.talk is Talk.LEARNING for feed_state in known)
    if known:
        what = f"{len(known)} heard" + (f", {learning} whose rhythm is still learned" if learning else "")
        yield Finding("feeds", State.OK, what)


def panel_and_directory(store: Store) -> Iterator[Finding]:
    """Who is watched, and whether anybody is there to be told."""
    size, age = store.panel.size(), store.panel.age()
    if not size:
        yield Finding("panel", State.WRONG, "nobody is on the panel", "load it: `handoff panel load FILE`")
    elif age is None or age > _STALE_PANEL:
        yield Finding(
            "panel",
            State.WARNING,
            f"{size} enrollees, not refreshed in {_STALE_PANEL.days} days",
            "load a fresh panel file",
        )
    else:
        yield Finding("panel", State.OK, f"{size} enrollees, loaded {age.days} days ago")
    directory = store.directory.read()
    if not directory.case_managers.keys() - {BUILT_IN_CENTRAL_OFFICE.case_manager_id}:
        yield Finding("directory", State.WARNING, "no case managers", "load it: `handoff directory load FOLDER`")
    else:
        people = number_words.count(len(directory.case_managers), "person", "people")
        yield Finding("directory", State.OK, f"{people}, {number_words.count(len(directory.practices), 'practice')}")


def unsent_notices(store: Store, now: datetime) -> Iterator[Finding]:
    """That somebody should have heard of something by mail, such as an emergency, and has not."""
    waiting, oldest = store.notices.waiting()
    if oldest is not None and now - oldest > _NOTICE_LATE:
        what = f"{number_words.count(waiting, 'notice')} of emergencies, recovery codes or paused destinations not sent"
        yield Finding(
            "mail", State.WARNING, what, "set HANDOFF_SMTP_URL, or see in the log of `tell` why mail does not go"
        )


def _processes(settings: Settings) -> Iterator[Finding]:
    for process in PROCESSES:
        yield _process(process.role, settings.metrics_host, process.port(settings))
    yield from _frames(settings.metrics_host, settings.listen_metrics_port)
    if settings.embedded and (running := current_generation(settings.data_dir)):
        if _alive(running.pid):
            what = f"runs, generation {running.generation}; any account on this machine can read and write it"
            yield Finding("embedded broker", State.OK, what)
        else:
            yield Finding("embedded broker", State.WARNING, "ended with the last `handoff up`", "start `handoff up`")


def _sign_in(settings: Settings) -> Iterator[Finding]:
    """Whether the OpenID provider answers as one."""
    if not settings.oidc_issuer:
        yield Finding("sign-in", State.OK, "by passkeys, passwords and one-time links (`handoff sign-in`)")
        return
    provider = None
    try:
        provider = Provider(settings)
        provider.discover()
    except Problem as error:
        yield Finding("sign-in", State.WRONG, str(error), "correct the setting")
    except ProviderAway as error:
        yield Finding("sign-in", State.WRONG, f"the provider does not answer as one ({error})", "nobody can sign in")
    else:
        yield Finding("sign-in", State.OK, f"{settings.oidc_issuer} answers")
    finally:
        if provider:
            provider.close()


def _frames(host: str, port: int) -> Iterator[Finding]:
    """What senders do wrong with their frames, as the listener counted it since its start."""
    address = f"http://{'127.0.0.1' if host == '0.0.0.0' else host}:{port}/metrics"  # noqa: S104
    try:
        with urllib.request.urlopen(address, timeout=3) as answer:
            text = answer.read().decode()
    except OSError:
        return
    lines = (line.rpartition(" ") for line in text.splitlines() if not line.startswith("#"))
    counts = {name: float(value) for name, _, value in lines}
    for name, value in counts.items():
        if (refusals := _FOREIGN.fullmatch(name)) and value:
            who = f"the sender {refusals[2]}" if refusals[2] else "somebody who is none of the senders"
            what = f"{int(value)} messages of {who} refused ({refusals[1]})"
            yield Finding("senders", State.WARNING, what, "`sender_refused` in the listener's log names the address")
        if shown := _SHOWN.fullmatch(name):
            until = datetime.fromtimestamp(value, UTC)
            if (state := _state_of(until)) is not State.OK:
                what = f"the certificate of the sender {shown[1]} is valid until {until:%Y-%m-%d}"
                yield Finding("senders", state, what, "ask them for the next one, and list it beside this one")
    for code, what in _FRAMING.items():
        if times := int(counts.get(f'toc_refused_total{{code="{code}"}}', 0)):
            advice = "the log of the listener names the sender (mllp_…): correct its framing"
            yield Finding("framing", State.WARNING, f"{times} × {what}", advice)


def _process(role: str, host: str, port: int) -> Finding:
    address = f"http://{'127.0.0.1' if host == '0.0.0.0' else host}:{port}/readyz"  # noqa: S104
    try:
        with urllib.request.urlopen(address, timeout=3):
            return Finding(f"handoff {role}", State.OK, f"ready (port {port})")
    except urllib.error.HTTPError as error:
        checks: Iterable[dict[str, str]] = json.loads(error.read())["checks"]
        why = "; ".join(f"{check['name']}: {check['why']}" for check in checks if not check["ok"])
        return Finding(f"handoff {role}", State.WRONG, why, "the reasons name what it waits for")
    except OSError:
        return Finding(
            f"handoff {role}",
            State.WARNING,
            f"does not run (nothing on port {port})",
            f"start `handoff {role}` or `handoff up`",
        )


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _certificates(settings: Settings) -> Iterator[Finding]:
    paths = (settings.tls_cert, settings.tls_client_ca, settings.inbox_tls_cert, settings.direct_cert)
    for path in filter(None, paths):
        try:
            for certificate in x509.load_pem_x509_certificates(path.read_bytes()):
                state = _state_of(certificate.not_valid_after_utc)
                what = f"{path}: valid until {certificate.not_valid_after_utc:%Y-%m-%d}"
                yield Finding("certificates", state, what, "" if state is State.OK else "renew it")
        except (OSError, ValueError):
            yield Finding(
                "certificates", State.WRONG, f"{path} is not a readable PEM certificate", "correct the path or the file"
            )
    yield from _of_the_listener(settings)


def _state_of(until: datetime) -> State:
    """Of a certificate that ends then."""
    left = until - datetime.now(UTC)
    return State.WRONG if left < timedelta(0) else State.WARNING if left < timedelta(days=30) else State.OK


def _of_the_listener(settings: Settings) -> Iterator[Finding]:
    if settings.tls_cert is None:
        text = "MLLP is not encrypted"
        loopback = settings.mllp_host in {"127.0.0.1", "::1", "localhost"}
        state = State.OK if loopback else State.WARNING
        yield Finding(
            "certificates", state, text, "" if loopback else "set HANDOFF_TLS_CERT and HANDOFF_TLS_KEY, or use a VPN"
        )
        return
    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(settings.tls_cert, settings.tls_key)
    except (OSError, ssl.SSLError):
        yield Finding(
            "certificates", State.WRONG, "certificate and key do not belong together", "correct HANDOFF_TLS_KEY"
        )
