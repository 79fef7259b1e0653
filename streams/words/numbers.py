"""Numbers with their nouns."""


def count(number: int, singular: str, many: str = "") -> str:
    """ "1 person", "3 people", "1,204 people"."""
    return f"{number:,} {singular if number == 1 else many or singular + 's'}"


def ordinal(number: int) -> str:
    """ "1st", "2nd", "3rd", "4th", "11th", "21st"."""
    if number % 100 in {11, 12, 13}:
        return f"{number}th"
    return f"{number}{ {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th') }"
