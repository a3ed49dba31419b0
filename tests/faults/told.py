"""The app, with jobs that log what they are told to: run by a project's Python in the place of `python -m app`.

The tests set the clock of such a server by `POST /api/clock?seconds=3600`, and in the environment by SEND_TIMEOUT the
seconds after which it gives up on a viewer that takes nothing.
"""

from __future__ import annotations

import os
import sys
import time

ahead = 0.0
true_time = time.time
time.time = lambda: true_time() + ahead  # before the imports: a module may keep the function itself

from streamator.transports import viewer  # noqa: E402

# Not under the check below: a server that reloads itself is a process that imports this file.
viewer.SEND_TIMEOUT_SECONDS = float(os.environ.get("SEND_TIMEOUT", viewer.SEND_TIMEOUT_SECONDS))

import app.features  # noqa: E402
from app.__main__ import main  # noqa: E402
from tests.auth.people import told_jobs  # noqa: E402

told = told_jobs()


@told.router.post("/clock")
async def set_clock(seconds: float) -> None:
    """Sets this process's clock ahead of the true time, or behind it."""
    global ahead
    ahead = seconds


app.features.FEATURES = (*app.features.FEATURES, told)

if __name__ == "__main__":
    sys.exit(main())
