from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from app.election import elected
from tests.support import eventually

HOLD = """
import sys, time
from pathlib import Path
from app.election import elected
with elected(Path(sys.argv[1])) as is_elected:
    print(is_elected, flush=True)
    time.sleep(60)
"""


def test_one_at_a_time_is_elected(tmp_path: Path) -> None:
    lock = tmp_path / "agents.lock"
    with elected(lock) as first:
        with elected(lock) as second:
            assert (first, second) == (True, False)
        with elected(lock) as third:
            assert not third  # who was not elected has not let go of anything
    with elected(lock) as later:
        assert later


def test_a_process_that_is_killed_leaves_its_office(tmp_path: Path) -> None:
    lock = tmp_path / "agents.lock"
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(lock)], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "True\n"
        with elected(lock) as here:
            assert not here
    finally:
        holder.kill()
        holder.communicate()

    def is_elected() -> bool:
        with elected(lock) as here:
            return here

    assert eventually(is_elected)
