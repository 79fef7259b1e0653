"""What a provider claims about somebody and the directory in, the one row it names out. Pure.

The claim finds the row once; from then on issuer and subject are the person (`streams.store.identities`). Roles come
from the row, never from a claim.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any, Final

from parsers.people import CaseManager

EMAIL: Final = "email"


class NoRow(StrEnum):
    """Why nobody of the directory is meant."""

    NOT_VERIFIED = "not_verified"  # the provider does not vouch for the address
    NOBODY = "nobody"
    SEVERAL = "several"
    OTHER_ACCOUNT = "other_account"  # the row is another account's already


def row_of(claims: Mapping[str, Any], claim: str, people: Iterable[CaseManager]) -> CaseManager | NoRow:
    """The row whose e-mail (claim `email`, verified), else whose id, is what the claim says."""
    said = claims.get(claim)
    if not isinstance(said, str) or not said.strip():
        return NoRow.NOBODY
    if claim == EMAIL:
        if claims.get("email_verified") is not True:
            return NoRow.NOT_VERIFIED
        rows = [person for person in people if _folded(person.email) == _folded(said)]
    else:
        rows = [person for person in people if person.case_manager_id == said.strip()]
    if len(rows) == 1:
        return rows[0]
    return NoRow.SEVERAL if rows else NoRow.NOBODY


def _folded(address: str) -> bytes:
    """An address as it is compared. Only ASCII letters have a case here: Unicode's own rules make `K` of a Kelvin sign
    and `s` of a long one, which stand in other people's addresses."""
    return address.strip().encode("utf-8", "surrogatepass").lower()
