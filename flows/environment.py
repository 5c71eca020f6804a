"""Prefect and Great Expectations as this project uses them: no telemetry, no noise, no hurry.

Imported before Prefect, because Prefect reads its settings when it is imported. What a user has
set stays as it is.
"""

from __future__ import annotations

import os
from pathlib import Path

#: The file of a home on which the lock of its writer is (:mod:`flows.lock`).
LOCK = ".lock"
#: Analytics off; the terminal belongs to our own progress, the server still gets all logs. The
#: temporary server has time to start on a machine that is busy with other things.
_DEFAULTS = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_CLOUD_ENABLE_ORCHESTRATION_TELEMETRY": "false",
    "GX_ANALYTICS_ENABLED": "false",
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",
    "PREFECT_SERVER_LOGGING_LEVEL": "CRITICAL",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "180",
    "PREFECT_CLI_PROMPT": "false",
    "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
}


def quiet() -> None:
    """Set the defaults for this process and its children."""
    for name, value in _DEFAULTS.items():
        os.environ.setdefault(name, value)


def home_of(named: Path | None) -> Path:
    """Return the folder that commands work in: the one ``named``, else ``JZEDU_HOME``, else ``./data``."""
    return (named or Path(os.environ.get("JZEDU_HOME") or "data")).absolute()
