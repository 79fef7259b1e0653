"""The words that cells of a panel may hold, in lower case, and what each means."""

from typing import Final

from parsers.people import Consent, Payer, RiskTier

SEXES: Final = {
    "": "",
    **dict.fromkeys(("f", "female", "woman", "girl"), "F"),
    **dict.fromkeys(("m", "male", "man", "boy"), "M"),
    **dict.fromkeys(("o", "other", "x", "nonbinary", "non-binary"), "O"),
    **dict.fromkeys(("u", "unknown", "unk"), "U"),
    **{word: word.upper() for word in ("a", "n")},
}
TIERS: Final = {
    **{tier.value: tier.value for tier in RiskTier},
    **{"": "unknown", "medium": "rising", "moderate": "rising", "h": "high", "m": "rising", "l": "low"},
}
CONSENTS: Final = {
    **{consent.value: consent.value for consent in Consent},
    **{"": "none", "no": "none", "n": "none", "part_2": "part2", "sud": "part2", "mh": "mental_health", "full": "all"},
}
PAYERS: Final = {
    **{payer.value: payer.value for payer in Payer},
    **dict.fromkeys(("", "u", "unk", "unknown"), ""),
    **dict.fromkeys(("medicare_advantage", "medicare_ffs", "ma", "mapd", "mcare", "mcr"), "medicare"),
    **dict.fromkeys(("mcaid", "mcd", "chip", "medicaid_managed_care"), "medicaid"),
    **dict.fromkeys(("dual_eligible", "duals", "medicare_medicaid", "medicaid_medicare", "dsnp", "d-snp"), "dual"),
    **dict.fromkeys(("private", "marketplace", "exchange", "employer"), "commercial"),
    **dict.fromkeys(("self_pay", "uninsured", "none", "tricare", "va"), "other"),
}
STATES: Final = frozenset(
    "AL AK AZ AR CA CO CT DE DC FL GA HI ID IL IN IA KS KY LA ME MD MA MI MN MS MO MT NE NV NH NJ NM NY NC ND OH OK "
    "OR PA RI SC SD TN TX UT VT VA WA WV WI WY PR VI GU AS MP AA AE AP".split()
)
STATE_NAMES: Final = {"": "", "north carolina": "NC", "south carolina": "SC", "virginia": "VA", "tennessee": "TN"}
