"""One line of the panel as the matcher takes it in."""

from typing import NamedTuple


class PanelRecord(NamedTuple):
    """What is known of one enrollee's identity; "" and () mean absent. Holds PHI: never log it.

    Dates are `YYYY-MM-DD`. `mrns` are `(assigning authority or facility, value)`. `effective_to` is the last
    day of enrollment, "" while it is open.
    """

    enrollee_id: str
    medicaid_id: str = ""
    ssn: str = ""
    last: str = ""
    first: str = ""
    middle: str = ""
    suffix: str = ""
    birth_date: str = ""
    sex: str = ""
    street: str = ""
    city: str = ""
    state: str = ""
    zip: str = ""
    phone: str = ""
    mother_enrollee_id: str = ""
    mrns: tuple[tuple[str, str], ...] = ()
    former_names: tuple[tuple[str, str], ...] = ()
    former_addresses: tuple[tuple[str, str], ...] = ()
    former_phones: tuple[str, ...] = ()
    effective_from: str = ""
    effective_to: str = ""

    def __repr__(self) -> str:
        return "<PanelRecord>"

    __str__ = __repr__
