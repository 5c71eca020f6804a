"""The time in China, by which deadlines fall, units are told of times and nights begin.

China has one time zone, without summer time. What is kept is UTC.
"""

from __future__ import annotations

from datetime import timedelta, timezone

ZONE_NAME = "Asia/Shanghai"
OFFSET = timedelta(hours=8)
CHINA = timezone(OFFSET, ZONE_NAME)
