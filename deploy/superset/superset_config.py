"""A small Superset for looking at a publication on this machine, as `make superset` starts it.

Whoever has a Superset already keeps their own configuration and runs only `load.py`.
"""

from __future__ import annotations

import os
import sys
from copy import deepcopy
from pathlib import Path

from superset.config import TALISMAN_CONFIG as _DEFAULTS

# A publication on S3-compatible storage or in a DuckLake.
sys.path.append(str(Path(__file__).parent))
from jzedu_attached import DB_CONNECTION_MUTATOR as DB_CONNECTION_MUTATOR

SECRET_KEY = os.environ["SUPERSET_SECRET_KEY"]
BABEL_DEFAULT_LOCALE = "zh"
LANGUAGES = {
    "zh": {"flag": "cn", "name": "中文"},
    "en": {"flag": "us", "name": "English"},
}

# Superset's pages carry a telemetry pixel. With no host but its own allowed as a source of
# pictures, a browser does not fetch it.
TALISMAN_CONFIG = deepcopy(_DEFAULTS)
TALISMAN_CONFIG["content_security_policy"]["img-src"] = ["'self'", "blob:", "data:"]
