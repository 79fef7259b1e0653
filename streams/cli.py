"""The command `handoff`: reads words and settings, calls one function, turns its answer into an exit status.

0 is success, 1 a run that did not end well, 2 words or settings that cannot be used. Errors go to standard error in
one sentence that says what to do; `--json` puts one object a line on standard output for machines.

One file, because it is the list of all words and options, and what they do stands in `commands`.
"""

import errno
import os
import signal
import sys
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from streams.run.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Callable

    from streams.run.settings import Settings

app = typer.Typer(
    name="handoff",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Warm Handoff: hospital ADT in, one clear alert in front of the right case manager.",
)
panel_app = typer.Typer(no_args_is_help=True, help="Load or check the panel: the people you answer for.")
directory_app = typer.Typer(
    no_args_is_help=True, help="Load or check the directory: networks, practices, people, cover."
)
destination_app = typer.Typer(
    no_args_is_help=True, help="Places outside that are told: webhooks, FHIR servers, folders, mail."
)
token_app = typer.Typer(no_args_is_help=True, help="Tokens with which other systems use the API in somebody's name.")
quarantine_app = typer.Typer(
    no_args_is_help=True, help="What our own code failed on or could not use: look, mend, send on its way again."
)
fhir_client_app = typer.Typer(no_args_is_help=True, help="Systems that may sign in to the FHIR server.")
audit_app = typer.Typer(help="Who saw, did and was told what: by person, user or span; and whether the audit is whole.")
feed_app = typer.Typer(
    no_args_is_help=True, help="Senders: which are heard and which are parked; set one aside, take it back."
)
bench_app = typer.Typer(help="Measure the whole way, or a part of it.")
app.add_typer(panel_app, name="panel")
app.add_typer(directory_app, name="directory")
app.add_typer(destination_app, name="destination")
app.add_typer(audit_app, name="audit")
app.add_typer(token_app, name="token")
app.add_typer(quarantine_app, name="quarantine")
app.add_typer(fhir_client_app, name="fhir-client")
app.add_typer(feed_app, name="feed")
app.add_typer(bench_app, name="bench")

Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines instead of text for people.")]
Files = Annotated[list[Path], typer.Argument(exists=True, dir_okay=False, readable=True, help="Files of HL7 messages.")]
Panel = Annotated[Path | None, typer.Option("--panel", exists=True, dir_okay=False, help="Panel file (CSV).")]
Policy = Annotated[
    Path | None, typer.Option("--policy", exists=True, dir_okay=False, help="A policy.toml of your own.")
]


def _settings(**overrides: Any) -> "Settings":
    from streams.run.settings import load_settings

    return load_settings(**{name: value for name, value in overrides.items() if value is not None})


def _logging(settings: "Settings") -> None:
    from streams.run.logs import configure

    configure(settings.log_level)


def _version(wanted: bool) -> None:
    if wanted:
        from streams import __version__

        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Warm Handoff: hospital ADT in, one clear alert in front of the right case manager."""


@app.command()
def demo(
    headless: Annotated[
        bool, typer.Option("--headless", help="No live table; end after --seconds with a summary.")
    ] = False,
    seconds: Annotated[
        float | None, typer.Option(min=1, help="Stop after so long (headless: 60 unless given).")
    ] = None,
    rate: Annotated[float, typer.Option(min=0.1, help="Messages a second from all hospitals together.")] = 20,
    json: Json = False,
) -> None:
    """Show it all on invented data: hospitals, panel, alerts in the inbox.

    Starts the embedded broker, listener, worker and inbox on free ports, loads 10,000 invented enrollees and plays
    several invented hospitals over real MLLP sockets. Ctrl-C stops it and leaves nothing behind. With
    KAFKA_BOOTSTRAP_SERVERS and DATABASE_URL it runs on Apache Kafka and PostgreSQL.
    """
    from streams.commands.demo import run_demo

    raise typer.Exit(run_demo(headless=headless, seconds=seconds, rate=rate, as_json=json))


@app.command()
def init(
    practice: Annotated[str, typer.Option(help="Name of the practice; asked for unless given.")] = "",
    case_manager: Annotated[str, typer.Option(help="Who calls its patients, such as M. Ortiz, RN.")] = "",
    hospital: Annotated[
        list[str] | None, typer.Option(help="A hospital's name in its messages (MSH-4); may be given again.")
    ] = None,
    email: Annotated[str, typer.Option(help="Where the case manager gets mail.")] = "",
    zone: Annotated[str, typer.Option(help="Time zone of the hospitals' clocks.")] = "America/New_York",
) -> None:
    """Begin: write a data folder for one practice, with settings, directory, a panel to fill and a key.

    Everything can be changed later: `handoff.toml` in the folder, `handoff directory load`, `handoff panel load`.
    """
    from streams.commands.init import ask, run_init

    raise typer.Exit(run_init(_settings(), ask(practice, case_manager, hospital or [], email, zone)))


@app.command()
def up(
    link: Annotated[bool, typer.Option("--link", help="Print a one-time sign-in link as well.")] = False,
) -> None:
    """Run everything on this machine, for your own feed and panel.

    Keeps all in the data folder (HANDOFF_DATA_DIR, default ./handoff-data) and migrates an older one by itself. Send
    ADT to the MLLP port it prints, load your people with `handoff panel load`.
    """
    from streams.up.supervisor import run_up

    settings = _settings()
    _logging(settings)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # a terminal that goes is no reason to stop
    raise typer.Exit(run_up(settings, link=link))


@app.command()
def listen() -> None:
    """Run the listener: MLLP and POST /hl7 in, Kafka out, AA only once a message is safe."""
    from streams.listen.process import run_listener

    _process(run_listener)


@app.command()
def work() -> None:
    """Run a worker: reads, matches and decides. Start as many as there is work."""
    from streams.work.process import run_worker

    _process(run_worker)


@app.command()
def inbox(
    demo: Annotated[bool, typer.Option("--demo", hidden=True, help="Let a reader look as somebody else.")] = False,
) -> None:
    """Run the inbox: the page case managers keep open."""
    from streams.inbox.process import run_inbox

    _process(partial(run_inbox, demo=demo))


@app.command()
def tell() -> None:
    """Tell systems and people outside: webhooks, FHIR servers, files, mail. Start as many as there is work.

    What is due is written with each alert version; `handoff destination add` says to whom. Ends with 0 on SIGTERM, when
    what was in flight is done.
    """
    from streams.tell.process import run_tell

    _process(run_tell)


def _process(run: "Callable[[Settings], int | None]") -> None:
    from streams.run.parent import end_with_parent

    settings = _settings()
    _logging(settings)
    end_with_parent()
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    raise typer.Exit(run(settings) or 0)


@app.command()
def send(
    files: Files,
    to: Annotated[str, typer.Option("--to", metavar="HOST:PORT", help="Where the MLLP listener is.")],
    tls: Annotated[bool, typer.Option("--tls", help="Speak TLS, with the system's CAs unless --ca is given.")] = False,
    ca: Annotated[Path | None, typer.Option(exists=True, help="PEM file of the CA that signed the listener.")] = None,
    cert: Annotated[Path | None, typer.Option(exists=True, help="PEM file of our client certificate.")] = None,
    key: Annotated[Path | None, typer.Option(exists=True, help="PEM file of its private key.")] = None,
    insecure: Annotated[bool, typer.Option("--insecure", help="Do not check the listener's certificate.")] = False,
    rate: Annotated[
        float | None, typer.Option(min=0.01, help="Messages a second; as fast as ACKs come unless given.")
    ] = None,
    repeat: Annotated[int, typer.Option(min=1, help="Send all files so many times.")] = 1,
    connections: Annotated[int, typer.Option(min=1, max=100, help="Connections to send over.")] = 1,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds to wait for an ACK.")] = 30,
    json: Json = False,
) -> None:
    """Send HL7 files over MLLP and print the ACKs; for onboarding a feed.

    A file may hold one message or many, MLLP-framed, plain or in an FHS/BHS batch. Ends with 0 only when every
    message was positively acknowledged. With --json: one object a message, {control_id, ack, error, ms}.
    """
    from streams.commands.send import run_send

    raise typer.Exit(
        run_send(
            files, to, tls=tls, ca=ca, cert=cert, key=key, insecure=insecure, rate=rate, repeat=repeat,
            connections=connections, timeout=timeout, as_json=json,
        )
    )  # fmt: skip


@app.command()
def ingest(files: Files, json: Json = False) -> None:
    """Put messages and FHS/BHS batches from files into the same pipeline.

    A bad message in a batch never hides the good ones; a count in a trailer that does not fit is reported.
    """
    from streams.commands.ingest import run_ingest

    settings = _settings()
    _logging(settings)
    raise typer.Exit(run_ingest(settings, files, as_json=json))


@app.command()
def doctor(json: Json = False) -> None:
    """Look over the whole way and say what is wrong and what to do."""
    from streams.commands.doctor import run_doctor

    raise typer.Exit(run_doctor(as_json=json))


@app.command()
def rules(
    rule: Annotated[str, typer.Argument(help="policy, routes, confidentiality, escalation, or guides.")],
) -> None:
    """Write copies of the shipped rule files, or call guides and letter, to be edited and made yours."""
    from streams.commands.rules import run_rules

    raise typer.Exit(run_rules(_settings(), rule))


@app.command()
def migrate(
    new_hash_key: Annotated[
        bool, typer.Option("--new-hash-key", help="Go on with another hash key than before: the old one is lost.")
    ] = False,
) -> None:
    """Bring the store to this program's version (for PostgreSQL; `up` does it by itself)."""
    from streams.store.keys import secret_of
    from streams.store.opening import open_store

    settings = _settings()
    with open_store(settings, migrate=True) as store:
        if new_hash_key:
            secret_of(settings, store, accept=True)
    typer.echo("the store is up to date")


@app.command("rotate-key")
def rotate_key(json: Json = False) -> None:
    """Change the hash key: what is kept sealed is sealed anew, nobody who joins the panel late is missed.

    With hash.key in the data folder stop `up` first. With HANDOFF_HASH_KEY first change that, as README says. Broken
    off, run it again.
    """
    from streams.commands.rotate_key import run_rotate_key

    raise typer.Exit(run_rotate_key(_settings(), as_json=json))


@app.command()
def backup(
    to: Annotated[Path, typer.Argument(dir_okay=False, help="The new file.")],
    key_file: Annotated[Path, typer.Option(help="Its key, 64 hex digits; made where there is no such file yet.")],
    json: Json = False,
) -> None:
    """Write store, keys, settings and journal into one sealed file, while everything runs.

    Nobody opens it without the key: keep that elsewhere. `handoff restore` brings it back.
    """
    from streams.commands.backup import run_backup

    raise typer.Exit(run_backup(_settings(), to, key_file, as_json=json))


@app.command()
def restore(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A file of `handoff backup`.")],
    key_file: Annotated[Path, typer.Option(exists=True, dir_okay=False, help="The key it was made with.")],
    to: Annotated[Path | None, typer.Option(file_okay=False, help="The new data folder.")] = None,
    check: Annotated[bool, typer.Option("--check", help="Read it whole and bring nothing back.")] = False,
    json: Json = False,
) -> None:
    """Bring a backup back into a new data folder, or check that it could be.

    Every byte and the whole store are checked before the folder is there. A backup of an older version is brought up to
    date; one of a newer version is refused by name.
    """
    from streams.commands.backup import run_restore

    if (to is None) is not check:
        raise typer.BadParameter("give either --to FOLDER or --check")
    raise typer.Exit(run_restore(file, to, key_file, as_json=json))


@app.command("sign-in")
def sign_in(
    person: Annotated[str | None, typer.Argument(help="Case manager id; the busiest one when left out.")] = None,
    enroll: Annotated[
        bool, typer.Option("--enroll", help="A link to set up a passkey or password, instead of one that signs in.")
    ] = False,
    new_account: Annotated[
        bool, typer.Option("--new-account", help="Forget how this person signs in: another account or passkey follows.")
    ] = False,
) -> None:
    """Print a one-time link that signs a case manager in to the inbox."""
    from streams.inbox.links import make_enrollment, make_link, part_from_account

    if new_account:
        typer.echo(part_from_account(_settings(), person or ""))
    elif enroll:
        typer.echo(make_enrollment(_settings(), person or ""))
    else:
        typer.echo(make_link(_settings(), person))


@panel_app.command("load")
def panel_load(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="CSV with a header.")],
    full: Annotated[
        bool, typer.Option("--full/--delta", help="The file is the whole panel, or only what changed.")
    ] = True,
    force: Annotated[bool, typer.Option("--force", help="Load even when many people would leave the panel.")] = False,
    json: Json = False,
) -> None:
    """Load a panel file: good rows in one transaction, bad ones in a reject file you can correct and load again."""
    from streams.commands.panel import run_panel_load

    raise typer.Exit(run_panel_load(_settings(), file, full=full, force=force, as_json=json))


@panel_app.command("check")
def panel_check(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="CSV with a header.")], json: Json = False
) -> None:
    """Check a panel file and load nothing."""
    from streams.commands.panel import run_panel_check

    raise typer.Exit(run_panel_check(_settings(), file, as_json=json))


@panel_app.command("template")
def panel_template(json: Json = False) -> None:
    """Print the header of a panel file, and what stands in each column; `> panel.csv` keeps the header only."""
    from streams.commands.template import run_panel_template

    raise typer.Exit(run_panel_template(as_json=json))


@directory_app.command("load")
def directory_load(
    folder: Annotated[Path, typer.Argument(exists=True, file_okay=False, help="Folder of the directory's CSV files.")],
    json: Json = False,
) -> None:
    """Load networks, practices, case managers, absences and LME/MCOs from a folder of CSV files."""
    from streams.commands.directory import run_directory_load

    raise typer.Exit(run_directory_load(_settings(), folder, as_json=json))


@directory_app.command("check")
def directory_check(
    folder: Annotated[Path, typer.Argument(exists=True, file_okay=False, help="Folder of the directory's CSV files.")],
    json: Json = False,
) -> None:
    """Check a directory folder and load nothing."""
    from streams.commands.directory import run_directory_check

    raise typer.Exit(run_directory_check(_settings(), folder, as_json=json))


@directory_app.command("template")
def directory_template(json: Json = False) -> None:
    """Print the headers of the directory's files, and what stands in each column."""
    from streams.commands.template import run_directory_template

    raise typer.Exit(run_directory_template(as_json=json))


By = Annotated[str, typer.Option("--by", help="Case manager id of who looks; kept in the audit.")]


@audit_app.callback(invoke_without_command=True)
def audit(
    context: typer.Context,
    by: By = "central-office",
    person: Annotated[str, typer.Option("--person", help="About this enrollee, by id.")] = "",
    user: Annotated[str, typer.Option("--user", help="By this case manager, by id.")] = "",
    since: Annotated[datetime | None, typer.Option("--since", help="Since this moment, in UTC.")] = None,
    disclosures: Annotated[
        bool, typer.Option("--disclosures", help="With --person: the accounting of disclosures over six years.")
    ] = False,
    json: Json = False,
    csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
) -> None:
    """Who saw, did and was told what: by person, user or span; and whether the audit is whole."""
    from streams.commands.audit import run_audit, run_disclosures

    if context.invoked_subcommand is not None:
        return
    settings = _settings()
    if disclosures:
        if not person:
            raise typer.BadParameter("--disclosures needs --person")
        raise typer.Exit(run_disclosures(settings, by, person, as_json=json, as_csv=csv))
    moment = since.replace(tzinfo=UTC) if since and since.tzinfo is None else since
    raise typer.Exit(run_audit(settings, by, person=person, user=user, since=moment, as_json=json, as_csv=csv))


@audit_app.command("verify")
def audit_verify(
    noted: Annotated[str, typer.Option("--noted", help="A head printed before: it must still be in the chain.")] = "",
    json: Json = False,
) -> None:
    """Say whether the audit's chain holds, and its first bad row."""
    from streams.commands.audit import run_verify

    raise typer.Exit(run_verify(_settings(), noted, as_json=json))


Which = Annotated[str, typer.Argument(metavar="DESTINATION", help="Its id, as `handoff destination list` shows it.")]


@token_app.command("create")
def token_create(
    name: Annotated[str, typer.Argument(help="What it is for, in words of your choice.")],
    person: Annotated[
        str, typer.Option("--for", metavar="CASE_MANAGER", help="In whose name; an id of the directory.")
    ],
    scope: Annotated[list[str], typer.Option("--scope", help="read or act; more than once for both.")],
    days: Annotated[int, typer.Option("--days", min=0, help="Valid for so many days; 0 until it is revoked.")] = 365,
    json: Json = False,
) -> None:
    """Make a token and show it, this once.

    For example: handoff token create care-manager --for cm-ortiz --scope read --scope act
    """
    from streams.commands.token import run_create

    raise typer.Exit(run_create(_settings(), name, person, scope, days, as_json=json))


@token_app.command("list")
def token_list(json: Json = False) -> None:
    """Every token, without its secret: in whose name, for what, when it was used last."""
    from streams.commands.token import run_list

    raise typer.Exit(run_list(_settings(), as_json=json))


@token_app.command("revoke")
def token_revoke(token_id: Annotated[str, typer.Argument(help="As `handoff token list` shows it.")]) -> None:
    """End a token at once."""
    from streams.commands.token import run_revoke

    raise typer.Exit(run_revoke(_settings(), token_id))


@destination_app.command("add")
def destination_add(
    destination_id: Annotated[str, typer.Argument(metavar="DESTINATION", help="A short id of your choice.")],
    address: Annotated[
        str, typer.Argument(help="https:// URL, host:port, folder, sftp://user@host/folder or mail address.")
    ],
    form: Annotated[
        str,
        typer.Option(
            "--form",
            help="webhook_json, da_vinci, hl7_mdm, hl7_adt, hl7_received, direct_adt, csv, ndjson, nudge, digest, "
            "sms, or to a hospital hl7_coordinator or direct_coordinator.",
        ),
    ],
    whose: Annotated[
        str,
        typer.Option("--whose", help="person, practice, network, plan, central_office, hospital or partner, with id."),
    ],
    name: Annotated[str, typer.Option("--name", help="What people call it.")] = "",
    tier: Annotated[str, typer.Option("--tier", help="At most so much: full, general or withheld.")] = "full",
    kinds: Annotated[list[str] | None, typer.Option("--kind", help="Only alerts of this kind; repeatable.")] = None,
    priorities: Annotated[
        list[str] | None, typer.Option("--priority", help="Only alerts of this priority; repeatable.")
    ] = None,
    reasons: Annotated[
        list[str] | None, typer.Option("--reason", help="Only alerts with this reason; repeatable.")
    ] = None,
    facilities: Annotated[
        list[str] | None, typer.Option("--facility", help="Only stays at this hospital; repeatable.")
    ] = None,
    practices: Annotated[
        list[str] | None, typer.Option("--practice", help="Only people of this practice; repeatable.")
    ] = None,
    programs: Annotated[
        list[str] | None, typer.Option("--program", help="Only people in this program; repeatable.")
    ] = None,
    risk_tiers: Annotated[
        list[str] | None, typer.Option("--risk-tier", help="Only people of this risk tier; repeatable.")
    ] = None,
    hours: Annotated[str, typer.Option("--hours", help="Only then, such as 'Mon-Fri 08:00-17:00'.")] = "",
    every_minutes: Annotated[
        int, typer.Option("--every-minutes", min=0, help="Files and mails: at most one every so many minutes.")
    ] = 0,
    empty_files: Annotated[bool, typer.Option("--empty-files", help="A file also when nothing was to tell.")] = False,
    headers: Annotated[
        list[str] | None, typer.Option("--header", help="'Name: value' sent along over HTTP; repeatable.")
    ] = None,
    options: Annotated[
        list[str] | None,
        typer.Option(
            "--option",
            help="NAME=VALUE; files: what. CSV: rows=version. SFTP: host_key. MLLP: application, facility (MSH-5, "
            "MSH-6), tls=1. Direct: oid. SMS: to, body (with {to} and {text}), type, method. To a hospital: "
            "instructions, programs.",
        ),
    ] = None,
    certificate: Annotated[
        Path | None,
        typer.Option("--certificate", help="Direct: PEM of the recipient's certificate, then of anchors of its side."),
    ] = None,
    bearer: Annotated[
        bool, typer.Option("--bearer", help="Read a bearer token, or SFTP password, from standard input.")
    ] = False,
    allow_private: Annotated[
        bool, typer.Option("--allow-private", help="The address may lie in your own network, also without TLS.")
    ] = False,
    json: Json = False,
) -> None:
    """Add a place that is told from now on, and print its signing secret, once.

    For example: handoff destination add oak https://ehr.example/hook --form webhook_json --whose practice:P0001
    What it may read follows from whose it is, as on the page, and can only be narrowed. Then try it with `handoff
    destination test`. Running workers know it within a second.
    """
    from streams.commands.destination import run_add

    raise typer.Exit(
        run_add(
            _settings(), destination_id, address, form=form, whose=whose, name=name, tier=tier, hours=hours,
            wants={"kinds": kinds, "priorities": priorities, "reasons": reasons, "facilities": facilities,
                   "practices": practices, "programs": programs, "risk_tiers": risk_tiers},
            every_minutes=every_minutes, empty_files=empty_files, headers=headers or [], options=options or [],
            bearer=bearer, certificate=certificate,
            allow_private=allow_private, as_json=json,
        )
    )  # fmt: skip


@destination_app.command("list")
def destination_list(json: Json = False) -> None:
    """List who is told, how each does and what waits for it; due = delivered + waiting + given up + superseded."""
    from streams.commands.destination import run_list

    raise typer.Exit(run_list(_settings(), as_json=json))


@destination_app.command("test")
def destination_test(destination_id: Which, json: Json = False) -> None:
    """Send a sample that is marked as a test and is about nobody, and say what came back."""
    from streams.commands.destination import run_test

    raise typer.Exit(run_test(_settings(), destination_id, as_json=json))


@destination_app.command("schema")
def destination_schema(
    kind: Annotated[
        str, typer.Argument(metavar="[TYPE]", help="Of one type only, such as stay.discharged; or of toc.alerts.v1.")
    ] = "",
) -> None:
    """Print the JSON Schema of a webhook's body and of a line of NDJSON, or of what lies on the topic of alerts."""
    from streams.commands.printing import print_json
    from streams.kafka.records import alerts_schema
    from streams.kafka.topics import Topic
    from streams.run.problems import Problem
    from streams.tell.forms.json import TYPES, schema

    if kind == Topic.ALERTS:
        print_json(alerts_schema())
        return
    if kind and kind not in TYPES:
        raise Problem(f"TYPE is one of {', '.join((*TYPES, Topic.ALERTS))}")
    print_json(schema(kind))


@destination_app.command("told")
def destination_told(
    enrollee: Annotated[str, typer.Argument(help="Enrollee id.")],
    by: Annotated[str, typer.Option("--by", help="Your case manager id; the look is audited.")],
    json: Json = False,
) -> None:
    """List what left about one person, or may have: to whom, when and how much of it (an accounting of disclosures)."""
    from streams.commands.destination import run_told

    raise typer.Exit(run_told(_settings(), enrollee, by, as_json=json))


@destination_app.command("pause")
def destination_pause(destination_id: Which) -> None:
    """Tell it nothing for now; what is due to it is kept."""
    from streams.commands.destination import run_state

    raise typer.Exit(run_state(_settings(), destination_id, "paused"))


@destination_app.command("resume")
def destination_resume(destination_id: Which) -> None:
    """Tell it again, beginning with what was kept."""
    from streams.commands.destination import run_state

    raise typer.Exit(run_state(_settings(), destination_id, "active"))


@destination_app.command("remove")
def destination_remove(destination_id: Which) -> None:
    """Tell it nothing any more; what waits for it is given up, what it was told stays on record."""
    from streams.commands.destination import run_state

    raise typer.Exit(run_state(_settings(), destination_id, "removed"))


@destination_app.command("replay")
def destination_replay(
    destination_id: Which,
    since: Annotated[datetime, typer.Option(help="What became due from then on (your local time).")],
    until: Annotated[datetime | None, typer.Option(help="And before then; now unless given.")] = None,
    delivered: Annotated[
        bool, typer.Option("--delivered", help="Also what was delivered; the ids stay the same.")
    ] = False,
    json: Json = False,
) -> None:
    """Tell a span again: what was given up, and with --delivered everything."""
    from streams.commands.destination import run_replay

    raise typer.Exit(run_replay(_settings(), destination_id, since, until, delivered=delivered, as_json=json))


@fhir_client_app.command("add")
def fhir_client_add(
    client_id: Annotated[str, typer.Argument(metavar="CLIENT", help="The id it signs in with.")],
    keys: Annotated[str, typer.Argument(help="Its public keys, a JSON Web Key Set: a file, or the https:// URL.")],
    whose: Annotated[
        str,
        typer.Option("--whose", help="person, practice, network, plan, central_office, hospital or partner, with id."),
    ],
    tier: Annotated[str, typer.Option("--tier", help="At most so much: full, general or withheld.")] = "full",
    allow_private: Annotated[
        bool, typer.Option("--allow-private", help="Its endpoints may lie in your own network, also without TLS.")
    ] = False,
) -> None:
    """Let a system sign in to the FHIR server (SMART Backend Services) and subscribe.

    For example: handoff fhir-client add oak-ehr oak-jwks.json --whose practice:P0001
    From a URL its keys are fetched when it signs in, so it may change them by itself.
    What it is told follows from whose it is, as on the page. `handoff tell` serves on HANDOFF_FHIR_PORT.
    """
    from streams.commands.fhir_client import run_add

    raise typer.Exit(run_add(_settings(), client_id, keys, whose=whose, tier=tier, allow_private=allow_private))


@fhir_client_app.command("list")
def fhir_client_list(json: Json = False) -> None:
    """List who may sign in, and how many subscriptions each has."""
    from streams.commands.fhir_client import run_list

    raise typer.Exit(run_list(_settings(), as_json=json))


@fhir_client_app.command("remove")
def fhir_client_remove(client_id: Annotated[str, typer.Argument(metavar="CLIENT", help="Its id.")]) -> None:
    """Let it in no more; its subscriptions end."""
    from streams.commands.fhir_client import run_remove

    raise typer.Exit(run_remove(_settings(), client_id))


@destination_app.command("secret")
def destination_secret(
    destination_id: Which,
    overlap_hours: Annotated[float, typer.Option(min=0, help="The old one is valid so much longer.")] = 24,
    bearer: Annotated[bool, typer.Option("--bearer", help="A bearer token, from standard input, instead.")] = False,
    json: Json = False,
) -> None:
    """Make a new signing secret and print it, once; the old one stays valid for a day unless you say otherwise."""
    from streams.commands.destination import run_secret

    raise typer.Exit(run_secret(_settings(), destination_id, overlap_hours, bearer=bearer, as_json=json))


MessageId = Annotated[str, typer.Argument(help="The message's id, as `handoff quarantine list` prints it.")]
OfSender = Annotated[str, typer.Option(help='Only of this sender: a feed\'s name, or "MSH-3|MSH-4".')]
OfCode = Annotated[str, typer.Option(help="Only with this code, such as read:KeyError or parked.")]
OfTopic = Annotated[
    str, typer.Option(help="Of adt.quarantine.v1 (our code failed), or adt.rejects.v1 (the sender's data).")
]
ReceivedSince = Annotated[datetime | None, typer.Option(help="Only what came from this moment on, in UTC.")]
ReceivedUntil = Annotated[datetime | None, typer.Option(help="And before this one.")]


FeedName = Annotated[str, typer.Argument(metavar="FEED", help="As `handoff feed list` names it.")]


@feed_app.command("list")
def feed_list(json: Json = False) -> None:
    """When each sender was last heard, and which are parked since when and why."""
    from streams.commands.feed import run_list

    raise typer.Exit(run_list(_settings(), as_json=json))


@feed_app.command("card")
def feed_card(feed: FeedName, json: Json = False) -> None:
    """The newest week's report card: what its messages lack, and what to ask for."""
    from streams.commands.feed import run_card

    raise typer.Exit(run_card(_settings(), feed, as_json=json))


@feed_app.command("park")
def feed_park(feed: FeedName, json: Json = False) -> None:
    """Set a sender's messages aside unread, for instance while it floods; it goes on getting AA."""
    from streams.commands.feed import run_park

    raise typer.Exit(run_park(_settings(), feed, as_json=json))


@feed_app.command("resume")
def feed_resume(feed: FeedName, json: Json = False) -> None:
    """Take a parked sender's messages again from now on; `handoff quarantine replay` sends what was set aside."""
    from streams.commands.feed import run_resume

    raise typer.Exit(run_resume(_settings(), feed, as_json=json))


@quarantine_app.command("list")
def quarantine_list(
    sender: OfSender = "",
    code: OfCode = "",
    topic: OfTopic = "",
    since: ReceivedSince = None,
    until: ReceivedUntil = None,
    everything: Annotated[bool, typer.Option("--all", help="What was dealt with, too, and what became of it.")] = False,
    json: Json = False,
) -> None:
    """What waits, in order of receipt: stage and exception, file and line of ours, sender. No content."""
    from streams.commands.quarantine import run_list, which_of

    raise typer.Exit(
        run_list(_settings(), which_of(sender, code, topic, since, until), everything=everything, as_json=json)
    )


@quarantine_app.command("show")
def quarantine_show(
    message_id: MessageId,
    content: Annotated[
        bool, typer.Option("--content", help="Its bytes instead, corrected ones if there are: PHI, and audited.")
    ] = False,
    json: Json = False,
) -> None:
    """Where our code failed on a message, since when and how often."""
    from streams.commands.quarantine import run_show

    raise typer.Exit(run_show(_settings(), message_id, content=content, as_json=json))


@quarantine_app.command("replay")
def quarantine_replay(
    message_ids: Annotated[list[str] | None, typer.Argument(help="Ids of messages.")] = None,
    sender: OfSender = "",
    code: OfCode = "",
    topic: OfTopic = "",
    since: ReceivedSince = None,
    until: ReceivedUntil = None,
    corrected: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="Send these bytes in place of one message's own.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say how many it would be.")] = False,
    json: Json = False,
) -> None:
    """Send messages on their way again, under the ids they always had, once the cause is mended.

    Each moves once, from `quarantined` or `rejected` to its real ending; one that fails again is back here. The
    original stays beside a corrected copy.
    """
    from streams.commands.quarantine import run_replay, which_of

    chosen = which_of(sender, code, topic, since, until)
    raise typer.Exit(
        run_replay(_settings(), message_ids or [], chosen, corrected=corrected, dry_run=dry_run, as_json=json)
    )


@quarantine_app.command("dismiss")
def quarantine_dismiss(
    message_id: MessageId,
    why: Annotated[str, typer.Option(help="Why nobody needs it, in words that name no patient.")],
) -> None:
    """Leave a message where it is for good; its ending stays `quarantined`."""
    from streams.commands.quarantine import run_dismiss

    raise typer.Exit(run_dismiss(_settings(), message_id, why))


@app.command()
def match(
    panel: Annotated[
        Path | None, typer.Argument(exists=True, dir_okay=False, help="CSV of the people to match against.")
    ] = None,
    queries: Annotated[
        Path | None, typer.Argument(exists=True, dir_okay=False, help="CSV of the people to find.")
    ] = None,
    pairs: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="CSV of pairs to grade instead.")
    ] = None,
    panel_size: Annotated[int | None, typer.Option(min=1, help="With --pairs: how large the panel is.")] = None,
    json: Json = False,
) -> None:
    """Find the people of one list on another: the same matcher that alerts are made with."""
    from streams.commands.match import run_match

    raise typer.Exit(run_match(panel, queries, pairs=pairs, panel_size=panel_size, as_json=json))


@app.command()
def route(
    enrollee: Annotated[str, typer.Argument(help="Enrollee id.")],
    kind: Annotated[str, typer.Argument(help="Kind of alert, for example discharge.")],
    at: Annotated[datetime | None, typer.Option(help="At this time (facility zone); now unless given.")] = None,
    reason: Annotated[
        list[str] | None, typer.Option("--reason", help="A reason of the alert, such as behavioral_health; repeatable.")
    ] = None,
    explain: Annotated[bool, typer.Option("--explain", help="Say why.")] = False,
    json: Json = False,
) -> None:
    """Say who would be told, and why."""
    from streams.commands.route import run_route

    raise typer.Exit(
        run_route(
            _settings(), enrollee, kind, at=at, reasons=tuple(reason or ()), explain=explain, as_json=json
        )
    )  # fmt: skip


@app.command()
def review(
    review_id: Annotated[str | None, typer.Argument(metavar="REVIEW", help="What to show or decide.")] = None,
    decide: Annotated[str | None, typer.Option("--decide", help="same, different or not-sure.")] = None,
    undo: Annotated[bool, typer.Option("--undo", help="Take your answer back, before its effect.")] = False,
    by: Annotated[str | None, typer.Option("--by", help="Your case manager id; all is audited.")] = None,
    note: Annotated[str, typer.Option("--note", help="Why you decided so.")] = "",
    json: Json = False,
) -> None:
    """List the possible matches that wait for a person, show both sides of one, or decide it.

    Nothing leaves about a possible match until somebody decided; same tells what waits, different drops it for good.
    """
    from streams.commands.review import run_review

    raise typer.Exit(run_review(_settings(), review_id, decide=decide, undo=undo, by=by, note=note, as_json=json))


@app.command()
def explain(
    files: Files,
    panel: Panel = None,
    policy: Policy = None,
    fields: Annotated[bool, typer.Option("--fields", help="With --json: also what was read, by HL7 address.")] = False,
    test: Annotated[bool, typer.Option("--test", help="Take MSH-11 D, T and N as if it were P.")] = False,
    json: Json = False,
) -> None:
    """Say what we understand of each message and what would come of it; no broker, no store."""
    from streams.commands.explain import run_explain

    raise typer.Exit(run_explain(files, panel=panel, policy=policy, fields=fields, test=test, as_json=json))


@app.command()
def simulate(
    out: Annotated[Path, typer.Option("--out", file_okay=False, help="Folder to write to.")],
    patients: Annotated[int, typer.Option(min=1, help="Invented people.")] = 2000,
    days: Annotated[int, typer.Option(min=1, help="Days of their lives.")] = 30,
    seed: Annotated[int, typer.Option(help="The same seed gives the same files.")] = 1,
    faults: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="Rates of faults (TOML); published ones unless given."),
    ] = None,
    json: Json = False,
) -> None:
    """Write HL7 files of simulated lives, with the truth of who should have been told what and when."""
    from streams.commands.printing import print_json
    from streams.commands.simulate import run_simulate

    written = run_simulate(patients, days, seed, out, faults)
    if json:
        print_json(written)
    else:
        for name, value in written.items():
            typer.echo(f"{name:12} {value}")


@app.command()
def score(
    folder: Annotated[Path, typer.Argument(exists=True, file_okay=False, help="Folder that `handoff simulate` wrote.")],
    alerts: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="What a running pipeline told, instead of the core."),
    ] = None,
    policy: Policy = None,
    staff: Annotated[
        bool,
        typer.Option("--staff", help="Let the invented staff work too: who acts in time, who is asked, how often."),
    ] = False,
    json: Json = False,
) -> None:
    """Hold what is told against the truth: recall, precision, wrong person, duplicates, retractions."""
    from streams.commands.score import print_score, run_score

    print_score(run_score(folder, alerts, policy, staff=staff), as_json=json)


@bench_app.callback(invoke_without_command=True)
def bench(
    context: typer.Context,
    rate: Annotated[float, typer.Option(min=1, help="Messages a second to offer.")] = 300,
    seconds: Annotated[float, typer.Option(min=1, help="For how long, after the warm-up.")] = 60,
    panel: Annotated[int, typer.Option(min=1, help="Invented enrollees on the panel.")] = 100_000,
    json: Json = False,
) -> None:
    """Run the whole way under load and print where the time goes, beside the broker's own floor."""
    if context.invoked_subcommand is None:
        from streams.commands.bench import run_bench

        raise typer.Exit(run_bench(rate=rate, seconds=seconds, panel=panel, as_json=json))


@bench_app.command("core")
def bench_core(json: Json = False) -> None:
    """Time the pure core beside hl7apy alone on the same messages."""
    from streams.commands.bench_core import run_bench_core

    raise typer.Exit(run_bench_core(as_json=json))


@bench_app.command("match")
def bench_match(
    panel: Annotated[int, typer.Option(min=1000, help="Invented enrollees on the panel.")] = 1_000_000,
    json: Json = False,
) -> None:
    """Time and grade the matcher beside Splink."""
    from streams.commands.bench_match import run_bench_match

    raise typer.Exit(run_bench_match(panel=panel, as_json=json))


_MENDABLE: Final = {
    errno.ENOSPC: "the disk is full: make room",
    errno.EDQUOT: "the disk quota is used up: make room",
    errno.EROFS: "it lies on a read-only file system: set HANDOFF_DATA_DIR to a folder that can be written",
    errno.EACCES: "we may not do that there: run as the user who owns it, or choose another place",
    errno.EPERM: "we may not do that there: run as the user who owns it, or choose another place",
    errno.ENOTDIR: "a part of its path is no folder: choose another place",
    errno.EADDRINUSE: "the address or port is taken: stop the other process, or choose another port",
    errno.EADDRNOTAVAIL: "this machine has no such address: choose another one",
    errno.EMFILE: "too many files are open: raise the limit (ulimit -n)",
}


def said(error: BaseException) -> str:
    """What the world did to us and what its user can do, in a sentence; "" for a bug of ours."""
    from streams.kafka.client import BrokerAway
    from streams.store import Unavailable
    from streams.store.opening import said_of

    match error:
        case Problem():
            return str(error)
        case Unavailable():
            return said_of(error, _settings())
        case BrokerAway():
            return f"the broker does not answer ({error}): is it running, is KAFKA_BOOTSTRAP_SERVERS right?"
        case OSError() if error.errno in _MENDABLE:
            where = f"{os.fsdecode(error.filename)}: " if isinstance(error.filename, str | bytes) else ""
            return f"{where}{_MENDABLE[error.errno]}"
        case _:
            return ""


def main() -> None:
    """Entry point: what a user can mend is said in a sentence, with status 2."""
    try:
        app()
    except Exception as error:
        if not (sentence := said(error)):
            raise
        typer.echo(sentence, err=True)
        sys.exit(2)
