"""How many recovery codes somebody has left in; that in words out."""


def left(count: int) -> str:
    """ "3 codes are left"."""
    return {0: "none is left", 1: "1 code is left"}.get(count, f"{count} codes are left")
