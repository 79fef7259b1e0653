"""The office's time zone where no policy says otherwise; apart from the policy, for those who only tell times."""

from typing import Final
from zoneinfo import ZoneInfo

OFFICE_ZONE: Final = ZoneInfo("America/New_York")
