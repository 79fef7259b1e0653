"""Why an alert is told, or was taken back, in words."""

from collections.abc import Mapping
from typing import Final

from rules.decisions import Reason
from rules.policy.policy import Policy
from streams.words.numbers import count

# One sentence for each reason, as the timeline and "why am I seeing this?" say it.
REASON_WORDS: Final[Mapping[Reason, str]] = {
    Reason.ED_ARRIVAL: "Came to the emergency department",
    Reason.ADMITTED: "Was admitted to the hospital",
    Reason.OBSERVATION: "Is being kept for observation",
    Reason.TRANSFERRED_IN: "Was moved here from another facility",
    Reason.DISCHARGED: "Was discharged",
    Reason.DISCHARGED_WITHOUT_ADMISSION: "Was discharged; the hospital never sent the admission",
    Reason.CLASS_CHANGED: "The kind of stay changed",
    Reason.DIAGNOSIS_ADDED: "The hospital added a diagnosis",
    Reason.DISPOSITION_ADDED: "The hospital said where the person went",
    Reason.DISPOSITION_CORRECTED: "The hospital corrected where the person went",
    Reason.TIME_CORRECTED: "The hospital corrected the day of the admission or the discharge",
    Reason.ATTENDING_CHANGED: "Another doctor is in charge",
    Reason.EXPECTED_DISCHARGE_CHANGED: "The expected discharge date changed",
    Reason.IDENTITY_CORRECTED: "The hospital corrected who this is",
    Reason.LEFT_AGAINST_ADVICE: "Left against medical advice",
    Reason.DIED: "The hospital reports that the person died",
    Reason.DEATH_TAKEN_BACK: "The hospital took back that the person died",
    Reason.NEWBORN: "Is a newborn",
    Reason.READMISSION: "This stay began soon after the last one",
    Reason.ED_HIGH_UTILIZER: "Comes to the ED often",
    Reason.RECENT_SNF_STAY: "Was in a skilled nursing facility lately",
    Reason.BEHAVIORAL_HEALTH: "Reason for the visit: mental health",
    Reason.OVERDOSE: "The hospital wrote “overdose”",
    Reason.URGENCY_TAKEN_BACK: "The hospital no longer gives the overdose or mental-health reason",
    Reason.PLANNED_ADMISSION: "The admission was planned",
    Reason.CODE_CAME_LATE: "We are telling you now because the hospital added this later",
    Reason.UNKNOWN_CLASS: "The hospital used a code for the kind of visit that we do not know yet",
    Reason.REGISTERED: "Was registered at the hospital; what kind of visit it is, we do not know",
    Reason.LATE_ENROLLMENT: "Joined your panel after this happened",
    Reason.RELEASED_BY_REVIEW: "A person confirmed that this is the same patient",
    Reason.ADMISSION_CANCELLED: "The hospital cancelled the admission",
    Reason.DISCHARGE_CANCELLED: "The hospital cancelled the discharge",
    Reason.TRANSFER_CANCELLED: "The hospital cancelled the transfer",
    Reason.VISIT_DELETED: "The hospital deleted the visit",
    Reason.PERSON_DELETED: "The hospital deleted the patient record",
    Reason.MOVED_TO_ANOTHER_PERSON: "The hospital moved this stay to another patient",
    Reason.MERGED: "The hospital joined two records into one",
    Reason.BACK_TO_OUTPATIENT: "The hospital made it an outpatient visit",
    Reason.FOLLOW_UP_ENDED: "Was admitted as an inpatient since, so the follow-up of this stay is no longer due",
    Reason.FOLLOW_UP_AGAIN: "The admission that followed was taken back, so the follow-up of this stay is due again",
    Reason.NOT_ON_PANEL: "Nobody on the panel",
    Reason.NOT_ENROLLED_ON_DAY: "Not enrolled on that day",
    Reason.POSSIBLE_MATCH: "Waits for a person to say who this is",
    Reason.MATCH_REJECTED: "A person said this is somebody else",
    Reason.NOTHING_NEW: "The message said nothing new",
    Reason.OUTPATIENT: "An outpatient visit",
    Reason.PLANNED_ONLY: "Only a plan so far",
    Reason.MOVE_WITHIN_FACILITY: "Moved within the same facility",
    Reason.LEAVE_OF_ABSENCE: "On leave from the hospital, not discharged",
    Reason.STAY_UNKNOWN: "A change to a stay we never heard of",
    Reason.STAY_BEFORE_ENROLLMENT: "The stay began before the person joined the panel",
    Reason.OUT_OF_ORDER: "An older message than what we already know",
    Reason.IDENTITY_ONLY: "Only name or address details changed",
    Reason.MUTED_BY_POLICY: "Your policy keeps this kind of alert quiet",
}
assert REASON_WORDS.keys() == set(Reason), "a reason without its words"


def reason(item: Reason, policy: Policy | None = None) -> str:
    """The sentence, with the numbers of the policy in force where it has some."""
    if item is Reason.READMISSION and policy is not None:
        return f"This stay began within {count(policy.windows.readmission_days, 'day')} of the last one"
    if item is Reason.RECENT_SNF_STAY and policy is not None:
        return f"Was in a skilled nursing facility in the last {count(policy.windows.recent_snf_days, 'day')}"
    return REASON_WORDS[item]
