"""Random names for people in addresses, so that no identifier of a patient is in one; a restart forgets them."""

import secrets
from collections import OrderedDict
from typing import Final

KEPT: Final = 20_000


class Refs:
    """Which person a random name means."""

    def __init__(self) -> None:
        self._by_ref: OrderedDict[str, str] = OrderedDict()
        self._by_person: dict[str, str] = {}

    def of(self, enrollee_id: str) -> str:
        """The name of a person, the same as long as it is kept."""
        ref = self._by_person.get(enrollee_id)
        if ref is None:
            ref = secrets.token_urlsafe(12)
            self._by_ref[ref] = enrollee_id
            self._by_person[enrollee_id] = ref
            if len(self._by_ref) > KEPT:
                _, oldest = self._by_ref.popitem(last=False)
                del self._by_person[oldest]
        return ref

    def person(self, ref: str) -> str:
        """The enrollee_id; "" for a name that is not known, or not any more."""
        return self._by_ref.get(ref, "")
