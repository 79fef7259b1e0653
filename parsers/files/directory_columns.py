"""The files of a directory and their columns, each declared once: what files call it and what stands in it."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, NamedTuple


class Kind(StrEnum):
    """The files of a directory; each is `<kind>.csv`."""

    NETWORKS = "networks"
    PRACTICES = "practices"
    CASE_MANAGERS = "case_managers"
    ABSENCES = "absences"
    LME_MCOS = "lme_mcos"


class Column(NamedTuple):
    """One column of one file."""

    name: str
    meaning: str  # for whoever fills it in
    aliases: tuple[str, ...] = ()  # further names in files
    required: bool = False


_NAMES: Final = ("network_name", "practice_name", "full_name", "plan_name", "lme_mco_name")
_PERSON: Final = ("id", "case_manager", "person", "person_id")
_PLAN: Final = ("lme_mco", "lme", "plan", "plan_id")
COLUMNS: Final[Mapping[Kind, tuple[Column, ...]]] = {
    Kind.NETWORKS: (
        Column("network_id", "your id of the network", ("network",), required=True),
        Column("name", "what people call it", _NAMES, required=True),
    ),
    Kind.PRACTICES: (
        Column("practice_id", "your id of the medical home, as on the panel", ("id", "practice"), required=True),
        Column("name", "what people call it", _NAMES, required=True),
        Column("network_id", "the network it belongs to", ("network",), required=True),
        Column("county", "where it is"),
        Column("phone", "for whoever has to call it", ("telephone", "phone_number")),
    ),
    Kind.CASE_MANAGERS: (
        Column("case_manager_id", "your id of the person, never another's; signs in by it", _PERSON, required=True),
        Column("name", "as M. Ortiz, RN", _NAMES, required=True),
        Column(
            "role",
            "nurse, pharmacist, social_worker, medical_director, manager, care_coordinator or central_office; "
            "for who sees no patient, admin, integration_analyst or auditor",
            required=True,
        ),
        Column("network_id", "the network whose team they are in", ("network",)),
        Column("lme_mco_id", "the plan they work for, for care coordinators", _PLAN),
        Column("email", "where mail about waiting work goes", ("e_mail", "mail")),
        Column("practices", "practices they carry: P1;P2", ("practice_ids", "panels", "carries")),
        Column("hours", "working hours, as Mon-Fri 08:00-17:00; empty: any minute", ("working_hours",)),
        Column("feeds", "names of their hospital's feeds, for integration analysts: A;B", ("hospitals",)),
        Column("capacity", "open stays they can carry at once, as 40; empty: not said", ("caseload", "max_caseload")),
    ),
    Kind.ABSENCES: (
        Column("case_manager_id", "who is away", _PERSON, required=True),
        Column("starts", "first day or minute", ("start", "from", "starts_at", "first_day"), required=True),
        Column(
            "ends",
            "last day, included, or the minute they are back",
            ("end", "to", "until", "ends_at", "last_day"),
            required=True,
        ),
        Column("backup_id", "who answers instead", ("backup", "back_up", "cover", "covered_by")),
    ),
    Kind.LME_MCOS: (
        Column("lme_mco_id", "id of the behavioral-health plan", _PLAN, required=True),
        Column("name", "what people call it", _NAMES),
        Column("counties", "its counties: Wake;Durham", ("county",), required=True),
    ),
}
