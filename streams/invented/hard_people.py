"""A made-up panel that is hard to match against, and queries with the truth: what the matching tests measure on.

Names follow the 1990 census frequencies; families share last name, address and phone; among them are twins, fathers
and sons of one name, and strangers who share name and birth date. Half of the queries are about people who are not
on the panel, most of them relatives or namesakes of somebody who is.
"""

import random
from bisect import bisect
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from itertools import accumulate
from typing import Final, NamedTuple

from nicknames import NickNamer

from rules.matching.names import census_table
from rules.matching.person import PanelRecord

_STREET_NAMES: Final = (
    "Oak Maple Main Church Park Pine Elm Cedar Walnut Lake Hill Washington Mill Ridge River Spring Forest Sunset "
    "Franklin Jefferson Highland Meadow Dogwood Chestnut Poplar Holly Magnolia Hickory Laurel Sycamore Tryon Trade "
    "Providence Sharon Randolph Queens Carmel Monroe Independence Albemarle"
).split()
STREETS: Final = [f"{name} {kind}" for name in _STREET_NAMES for kind in ("St", "Ave", "Rd", "Dr", "Ln", "Ct")]
CITIES: Final = [
    f"{name}{kind}"
    for name in ("Ash", "Green", "Wil", "High", "Cary", "Hick", "Kin", "Golds")
    for kind in ("ville", "boro", "ton", " Point", "son")
]
_NICKNAMES: Final = NickNamer()
Home = tuple[str, str, str, str]  # street, ZIP, city, phone


class Query(NamedTuple):
    """What a hospital asks, what kind of question it is, and the answer ("" when not on the panel)."""

    kind: str
    record: PanelRecord
    truth: str


class Absent(NamedTuple):
    """Somebody who was left off the panel, and the enrollee they resemble."""

    kind: str
    record: PanelRecord
    resembles: str


class _Draw:
    def __init__(self, kind: str, rng: random.Random) -> None:
        shares = census_table(kind)
        self.names = [name.capitalize() for name in shares]
        self.sums = list(accumulate(shares.values()))
        self.rng = rng

    def __call__(self) -> str:
        return self.names[bisect(self.sums, self.rng.random() * self.sums[-1] * 0.9999999)]


class World:
    """`size` enrollees from `seed`, made family by family; the same seed gives the same world."""

    def __init__(self, size: int, seed: int) -> None:
        self.size, self.rng = size, random.Random(seed)
        self.last, self.male, self.female = (
            _Draw(kind, self.rng) for kind in ("dist.all.last", "dist.male.first", "dist.female.first")
        )
        self.place = [(f"{27000 + n % 950:05d}", CITIES[n % len(CITIES)]) for n in range(950)]
        self.made = 0
        self.absent: list[Absent] = []

    def birth(self, low: int = 0, high: int = 85) -> str:
        return (date(2026, 6, 1) - timedelta(days=self.rng.randint(low * 365, high * 365 + 300))).isoformat()

    def ssn(self) -> str:
        while True:
            digits = f"{self.rng.randint(1, 899):03d}{self.rng.randint(1, 99):02d}{self.rng.randint(1, 9999):04d}"
            if digits[:3] != "666":
                return digits

    def home(self) -> Home:
        code, city = self.rng.choice(self.place)
        phone = f"{self.rng.choice(('919', '704', '336', '828'))}{self.rng.randint(2000000, 9999999)}"
        return f"{self.rng.randint(1, 9999)} {self.rng.choice(STREETS)}", code, city, phone

    def person(self, last: str, home: Home, *, sex: str = "", birth: str = "", first: str = "") -> PanelRecord:
        rng = self.rng
        sex = sex or rng.choice("FM")
        draw = self.female if sex == "F" else self.male
        self.made += 1
        number = f"E{self.made:08d}"
        medicaid = f"9{self.made:08d}{'KLMNPQRST'[self.made % 9]}" if rng.random() < 0.9 else ""
        ssn = self.ssn() if rng.random() < 0.85 else rng.choice(("", "999999999", "000000000", "123456789"))
        middle = rng.choice((draw(), draw()[0], "")) if rng.random() < 0.8 else ""
        birth = birth or self.birth()
        mrns = (("NORTH", f"{rng.randint(1, 10**7)}"),) if rng.random() < 0.3 else ()
        return PanelRecord(
            number, medicaid, ssn, last, first or draw(), middle, "", birth, sex, home[0], home[2], "NC", home[1],
            home[3] if rng.random() < 0.9 else "", "", mrns,
        )  # fmt: skip

    def records(self) -> Iterator[PanelRecord]:
        """The panel's records, streaming; `absent` fills with relatives and namesakes who were left out."""
        rng = self.rng
        count = 0
        while count < self.size:
            for each in self._family():
                if count == self.size:
                    return
                count += 1
                married = each.sex == "F" and rng.random() < 0.03
                yield each._replace(former_names=((self.last(), ""),)) if married else each

    def _family(self) -> list[PanelRecord]:
        """Who lives in one home, and their namesakes elsewhere."""
        rng = self.rng
        last, home = self.last(), self.home()
        members = [self.person(last, home, birth=self.birth(20, 85)) for _ in range(rng.choice((1, 1, 2)))]
        children = self._children(last, home, members)
        men = [each for each in members if each.sex == "M"]
        if men and rng.random() < 0.05:
            father = men[0]
            son = self.person(last, home, sex="M", first=father.first, birth=self.birth(0, 40))._replace(
                phone=father.phone
            )
            if rng.random() < 0.5:
                members[members.index(father)] = father._replace(suffix="Sr")
                son = son._replace(suffix="Jr")
            children.append(son)
        family = members + children
        if len(family) > 1 and rng.random() < 0.01:
            family = [each._replace(ssn=family[0].ssn) for each in family]
        if rng.random() < 0.03:
            self._leave_one_out(family)
        self._add_namesakes(family)
        return family

    def _children(self, last: str, home: Home, parents: Sequence[PanelRecord]) -> list[PanelRecord]:
        """None to three of them, the eldest sometimes with a twin."""
        rng = self.rng
        mother = next((each.enrollee_id for each in parents if each.sex == "F"), "")
        if rng.random() >= 0.5:
            return []
        children = [
            self.person(last, home, birth=self.birth(0, 19))._replace(mother_enrollee_id=mother)
            for _ in range(rng.choice((1, 1, 2, 3)))
        ]
        if rng.random() < 0.06:
            eldest = children[0]
            twin = self.person(last, home, birth=eldest.birth_date, sex=rng.choice((eldest.sex, eldest.sex, "F", "M")))
            if rng.random() < 0.3 and eldest.first[:1] not in "Aeiou":
                twin = twin._replace(first=rng.choice("BDJKLMRT") + eldest.first[1:].lower())
            if twin.first != eldest.first:
                children.append(twin._replace(mother_enrollee_id=mother, phone=eldest.phone))
        return children

    def _leave_one_out(self, family: list[PanelRecord]) -> None:
        """One of several is not enrolled; the most like of the others is whom they may be taken for."""
        who = self.rng.randrange(len(family))
        left = family[who]
        same = [each for each in family if each is not left]
        kind = "sibling"
        for each in same:
            if each.birth_date == left.birth_date:
                kind, same = "twin", [each]
                break
            if each.first == left.first:
                kind, same = "jr_sr", [each]
        if same:
            del family[who]
            self.absent.append(Absent(kind, left, same[0].enrollee_id))

    def _add_namesakes(self, family: list[PanelRecord]) -> None:
        """Of the same names, sex and birth date in another home, half of them not enrolled."""
        rng = self.rng
        for each in list(family):
            if rng.random() < 0.01:
                other = self.person(each.last, self.home(), sex=each.sex, birth=each.birth_date, first=each.first)
                if rng.random() < 0.5:
                    family.append(other)
                else:
                    self.absent.append(Absent("namesake", other, each.enrollee_id))

    def typo(self, text: str) -> str:
        rng = self.rng
        if len(text) < 3:
            return text
        place = rng.randrange(1, len(text) - 1)
        kind = rng.randrange(4)
        letter = rng.choice("0123456789" if text[place].isdigit() else "abcdefghijklmnopqrstuvwxyz")
        if kind == 0:
            return text[:place] + letter + text[place + 1 :]
        if kind == 1:
            return text[:place] + text[place + 1] + text[place] + text[place + 2 :]
        if text.isdigit():
            return text[:place] + letter + text[place + 1 :]
        return text[:place] + text[place + 1 :] if kind == 2 else text[:place] + letter + text[place:]

    def as_sent(self, record: PanelRecord, *, hard: bool) -> PanelRecord:
        """The same person as a hospital writes them down."""
        chance, share = self.rng.random, 1.0 if hard else 0.25
        q = record._replace(enrollee_id="", mother_enrollee_id="")
        for written in (self._numbers_sent, self._home_sent, self._names_sent, self._birth_date_sent):
            q = written(q, share)
        if chance() < 0.5:
            q = q._replace(middle=q.middle[:1])
        return q._replace(suffix="" if chance() < 0.4 else q.suffix, former_names=())

    def _numbers_sent(self, q: PanelRecord, share: float) -> PanelRecord:
        chance = self.rng.random
        if chance() < 0.5:
            q = q._replace(medicaid_id="")
        if chance() < 0.5:
            q = q._replace(ssn=self.rng.choice(("", "", "999999999", q.ssn[-4:])))
        if chance() < 0.8:
            q = q._replace(mrns=())
        if chance() < 0.1 * share and q.ssn:
            q = q._replace(ssn=self.typo(q.ssn))
        return q

    def _home_sent(self, q: PanelRecord, share: float) -> PanelRecord:
        chance = self.rng.random
        if chance() < 0.2 * share:
            street, code, city, phone = self.home()
            q = q._replace(street=street, zip=code, city=city)
            if chance() < 0.4:
                q = q._replace(phone=phone)
        elif chance() < 0.2 * share:
            q = q._replace(street=self.typo(q.street))
        return q._replace(phone="") if chance() < 0.2 else q

    def _names_sent(self, q: PanelRecord, share: float) -> PanelRecord:
        rng, chance = self.rng, self.rng.random
        if chance() < 0.12 * share:
            q = q._replace(first=self.typo(q.first))
        elif chance() < 0.15 * share and (short := sorted(_NICKNAMES.nicknames_of(q.first))):
            q = q._replace(first=rng.choice(short).capitalize())
        if chance() < 0.1 * share:
            q = q._replace(last=self.typo(q.last))
        elif q.former_names and chance() < 0.5:
            q = q._replace(last=q.former_names[0][0])
        elif q.sex == "F" and q.birth_date < "2006" and chance() < 0.05 * share:
            q = q._replace(last=rng.choice((self.last(), f"{q.last}-{self.last()}")))
        return q._replace(last=q.first, first=q.last) if chance() < 0.02 * share else q

    def _birth_date_sent(self, q: PanelRecord, share: float) -> PanelRecord:
        chance = self.rng.random
        year, month, day = q.birth_date.split("-")
        if chance() < 0.03 * share and int(day) <= 12:
            return q._replace(birth_date=f"{year}-{day}-{month}")
        if chance() < 0.03 * share:
            slip = int(self.typo("0" + day + "0")[1:3] or 1)
            return q._replace(birth_date=f"{year}-{month}-{min(slip, 28) or 1:02d}")
        if chance() < 0.02 * share:
            return q._replace(birth_date=self.rng.choice(("", "1900-01-01")))
        return q

    def queries(self, some: list[PanelRecord], count: int) -> list[Query]:
        """`count` hard queries: half about people of `some`, half about people who are not on the panel."""
        rng = self.rng
        present = some if len(some) <= count // 2 else rng.sample(some, count // 2)
        asked = [Query("present", self.as_sent(each, hard=True), each.enrollee_id) for each in present]
        absent = list(self.absent)
        rng.shuffle(absent)
        asked += [Query(each.kind, self.as_sent(each.record, hard=True), "") for each in absent[: count // 3]]
        while len(asked) < count:
            asked.append(Query("stranger", self.as_sent(self.person(self.last(), self.home()), hard=True), ""))
        rng.shuffle(asked)
        return asked
