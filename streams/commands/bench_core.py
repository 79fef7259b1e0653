"""How fast the pure core goes through a realistic mix, beside hl7apy alone parsing the same messages, in one run."""

import json
import random
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from time import perf_counter
from typing import Any, Final

from hl7apy.consts import VALIDATION_LEVEL
from hl7apy.parser import parse_message

from streams.commands.explain import Core

MESSAGES: Final = 20_000
COMPARED: Final = 300  # hl7apy needs some 14 ms a message, so it gets a sample of the same mix
_MIX: Final = {
    "A08": 48.0, "A31": 30.0, "A04": 17.0, "A01": 1.2, "A03": 1.2, "A02": 0.9, "A06": 0.3, "A11": 0.1, "A13": 0.1,
    "A28": 0.3, "A40": 0.14,
}  # fmt: skip
_START: Final = datetime(2026, 3, 2, 6, 0)  # noqa: DTZ001 local time as a feed sends it


def run_bench_core(as_json: bool = False, messages: int = MESSAGES, compared: int = COMPARED) -> int:
    """`handoff bench core`."""
    result = measure(messages, compared)
    if as_json:
        sys.stdout.write(json.dumps(result) + "\n")
    else:
        sys.stdout.write(
            f"core    {result['messages_per_s']:>8} messages/s (read, match, decide, remember; {messages} messages)\n"
            f"hl7apy  {result['hl7apy_messages_per_s']:>8} messages/s (parse only; {compared} of the same messages)\n"
            f"ratio   {result['ratio']:>8}\n"
        )
    return 0


def measure(messages: int, compared: int) -> dict[str, Any]:
    """Both timed on one core, one after the other, after a warm-up of each."""
    stream = list(mix(messages))
    for warm in stream[:200]:
        Core(test=True).step(warm)
    core = Core(test=True)
    began = perf_counter()
    for message in stream:
        core.step(message)
    ours = messages / (perf_counter() - began)
    sample = [message.decode() for message in random.Random(1).sample(stream, min(compared, messages))]
    parse_message(sample[0], validation_level=VALIDATION_LEVEL.TOLERANT)
    began = perf_counter()
    for text in sample:
        parse_message(text, validation_level=VALIDATION_LEVEL.TOLERANT)
    theirs = len(sample) / (perf_counter() - began)
    return {
        "messages_per_s": round(ours, 1),
        "hl7apy_messages_per_s": round(theirs, 1),
        "ratio": round(ours / theirs, 1),
        "messages": messages,
        "hl7apy_messages": len(sample),
    }


def mix(messages: int, seed: int = 7) -> Iterator[bytes]:
    """Messages in the shares of one large system's weekday, each about a person and visit that go on."""
    chance = random.Random(seed)
    triggers, shares = list(_MIX), list(_MIX.values())
    for number in range(messages):
        at = _START + timedelta(seconds=number)
        yield message(chance.choices(triggers, shares)[0], chance.randrange(max(messages // 8, 1)), number, at)


def message(trigger: str, person: int, number: int, at: datetime) -> bytes:
    """An eight-segment message of about 1 kB."""
    emergency = person % 3 == 0
    kind = "I" if trigger in ("A01", "A06") else "E" if emergency else "O"
    stamp, when = f"{at:%Y%m%d%H%M%S}", f"{_START:%Y%m%d%H%M%S}"
    structure = {"A04": "ADT_A01", "A08": "ADT_A01", "A13": "ADT_A01", "A28": "ADT_A05", "A31": "ADT_A05",
                 "A11": "ADT_A09", "A40": "ADT_A39"}.get(trigger, f"ADT_{trigger}")  # fmt: skip
    end = stamp if trigger == "A03" else ""
    segments = [
        f"MSH|^~\\&|ADT|MISSION^2.16.840.1.113883.3.1^ISO|HUB|NETWORK|{stamp}-0500||ADT^{trigger}^{structure}"
        f"|B{number}|T|2.5.1|||AL|NE|USA|UNICODE UTF-8",
        f"EVN|{trigger}|{stamp}-0500|||REG01^Clerk^Ann|{stamp}-0500",
        f"PID|1||{10_000_000 + person}^^^MISSION^MR~{900_000_000 + person}^^^USSSA^SS"
        f"||Person{person}^Given{person % 97}^Q"
        f"||19{person % 80 + 10:02}0{person % 9 + 1}1{person % 9}|{'FM'[person % 2]}||2106-3^White^HL70005"
        f"|{person} Oak Street^^Asheville^NC^288{person % 90 + 10:02}^USA^H||^PRN^PH^^1^828^555{person % 10_000:04}"
        f"|||M|CHR|{70_000_000 + person}^^^MISSION^AN",
    ]
    if trigger in ("A40",):
        segments.append(f"MRG|{20_000_000 + person}^^^MISSION^MR")
        return ("\r".join(segments) + "\r").encode()
    segments += [
        "PD1|||Mountain Family Practice^^12345|1234567890^Brown^Alice^^^Dr",
        f"NK1|1|Person{person}^Next|SPO^Spouse^HL70063|{person} Oak Street^^Asheville^NC^28801|^PRN^PH^^1^828^5550000",
        f"PV1|1|{kind}|4E^412^A^MISSION||||1122334455^Stone^Mary^^^Dr|||MED||||7|||||V{person}^^^MISSION^VN"
        f"|||||||||||||||||{'01' if end else ''}||||||||{when}-0500|{end and end + '-0500'}",
        "PV2|||^shortness of breath since yesterday",
        "DG1|1||R06.02^Shortness of breath^I10||" + stamp + "|A",
        "IN1|1|NCMEDICAID|12345|NC Medicaid|PO Box 1^^Raleigh^NC^27601",
    ]
    return ("\r".join(segments) + "\r").encode()
