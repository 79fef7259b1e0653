"""Explained messages in; a page for an integration analyst out: what each message came to, and what to ask for.

The page shows names of fields, codes and counts, never a patient.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Any, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

ENDINGS: Final = {
    "event": "understood",
    "duplicate": "said before, word for word: adds nothing",
    "no_transition": "well formed, changes nothing we follow",
    "test_message": "a test message (MSH-11 is D, T or N); --test takes it",
    "reject": "cannot be used",
}
WISHES: Final = {
    "line_end_not_cr": "end segments with a carriage return (0D), not LF or CRLF",
    "segment_name_blank": "send the field separator right after each segment's name",
    "trigger_from_evn": "put the trigger event into MSH-9.2",
    "trigger_from_structure": "put the trigger event into MSH-9.2",
    "trigger_disagrees": "make EVN-1 and MSH-9.2 say the same",
    "structure_wrong": "send the structure of HL7 table 0354 in MSH-9.3, and one PID for a visit",
    "structure_missing": "send the message structure in MSH-9.3",
    "charset_missing": "declare the character set in MSH-18",
    "charset_unknown": "use a character set of HL7 table 0211 in MSH-18",
    "charset_lying": "declare in MSH-18 the character set that is sent",
    "processing_id_unknown": "send P in MSH-11; what is not D, T or N counts as P",
    "version_unknown": "send a published HL7 version in MSH-12",
    "control_id_missing": "give every message a control id in MSH-10",
    "visit_number_missing": "send the visit number in PV1-19: without it an admission and its discharge may part",
    "admit_time_missing": "send the admission time in PV1-44",
    "time_cut": "send times as YYYYMMDDHHMM[SS][+/-ZZZZ], and nothing after them",
    "time_unreadable": "send times as YYYYMMDDHHMM[SS][+/-ZZZZ]",
    "time_zone_assumed": "send times with their offset, or tell us the zone of this feed",
    "time_ambiguous": "send an offset: this time happens twice when clocks go back",
    "time_implausible": "send the real time or none: this one is a placeholder, or lies after the message itself",
    "time_nonexistent": "send an offset: this time does not exist when clocks go forward",
    "authority_missing": "name the assigning authority of each identifier (CX.4)",
    "class_unknown": "tell us what this patient class (PV1-2) means; until then it counts as a possible admission",
    "disposition_unknown": "tell us what this discharge disposition (PV1-36) means, or send a code of table 0112",
    "death_disagrees": "send a time of death (PID-29) only for people who died, and PID-30 to match it",
    "class_missing": "send the patient class in PV1-2",
    "facility_assumed": "name the facility in PV1-3.4, EVN-7 or MSH-4",
    "escape_unknown": "escape reserved characters after HL7 chapter 2 (\\F\\ \\S\\ \\T\\ \\R\\ \\E\\)",
    "value_too_long": "send shorter values and fewer repetitions: the rest was not read",
    "default_birth_date": "leave PID-7 empty when the birth date is not known",
    "placeholder_number": "leave a number empty where there is none: UNKNOWN or 000000 is nobody's",
    "placeholder_name": "nothing to do: a name that stands for somebody not known yet",
}
ACTIONS: Final = {
    "notify": "tells",
    "amend": "tells more",
    "retract": "takes back",
    "suppress": "tells nobody",
    "hold": "asks a person first",
}
_COLORS: Final = {"notify": "green", "amend": "cyan", "retract": "yellow", "hold": "magenta"}


def print_page(steps: Iterable[tuple[bytes, dict[str, Any]]], console: Console | None = None) -> None:
    """A line a message as they are read, then the sums and what to ask the hospital to mend."""
    out = console or Console()
    endings: Counter[str] = Counter()
    wishes: Counter[tuple[str, str]] = Counter()
    rejects: Counter[tuple[str, str]] = Counter()
    for _, answer in steps:
        endings[answer["ending"]] += 1
        if answer["ending"] == "reject":
            rejects[answer["code"], answer["place"]] += 1
        for note in (answer["event"] or {}).get("notes", ()):
            wishes[note["finding"], note["place"]] += 1
        out.print(line(answer))
    out.print()
    out.print(_endings(endings))
    if rejects:
        out.print(_rejects(rejects))
    if wishes:
        out.print(_wishes(wishes, sum(endings.values())))


def line(answer: dict[str, Any]) -> Text:
    """One message in one line."""
    text = Text(f"{answer['n']:>6}  {answer['trigger'] or '?':<4} ")
    ending = answer["ending"]
    if ending == "reject":
        place = f" at {answer['place']}" if answer["place"] else ""
        return text.append(f"rejected: {answer['code']}{place}", "red")
    if ending != "event":
        return text.append(ENDINGS[ending], "dim")
    decision, alert = answer["decision"], answer["alert"]
    action = decision["action"]
    text.append(f"{ACTIONS[action]:<19}", _COLORS.get(action, "dim"))
    text.append(", ".join(reason.replace("_", " ") for reason in decision["reasons"]))
    if alert:
        running = [clock["kind"] for clock in alert["clocks"] if clock["status"] == "running"]
        text.append(f"  [{alert['kind']} v{alert['version']}, {alert['class']} {alert['status']}, {alert['priority']}]")
        text.append(f"  to {', '.join(alert['told'] if action == 'retract' else alert['owners'])}", "bold")
        if running:
            text.append(f"  clocks: {', '.join(running)}", "dim")
    return text


def _endings(endings: Counter[str]) -> Table:
    table = Table(title="What the messages came to", title_justify="left")
    table.add_column("messages", justify="right")
    table.add_column("ending")
    for ending, words in ENDINGS.items():
        if endings[ending]:
            table.add_row(str(endings[ending]), words)
    return table


def _rejects(rejects: Counter[tuple[str, str]]) -> Table:
    table = Table(title="What we could not use", title_justify="left")
    table.add_column("messages", justify="right")
    table.add_column("why")
    table.add_column("where")
    for (code, place), count in rejects.most_common():
        table.add_row(str(count), code.replace("_", " "), place or "the whole message")
    return table


def _wishes(wishes: Counter[tuple[str, str]], messages: int) -> Table:
    table = Table(title="What to ask the hospital to mend", title_justify="left")
    table.add_column("messages", justify="right")
    table.add_column("share", justify="right")
    table.add_column("where")
    table.add_column("please")
    for (finding, place), count in wishes.most_common():
        share = f"{100 * count / max(messages, 1):.0f}%"
        table.add_row(str(count), share, place, WISHES.get(finding, finding.replace("_", " ")))
    return table
