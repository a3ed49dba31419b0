from __future__ import annotations

import logging
from collections.abc import Callable

import pytest

from app.features import FEATURES
from app.settings import Settings
from tests.auth.people import Person, add_users
from tests.fuzz import ask_as_the_schema_says, jobs_to_ask_for
from tests.support import RunningApp

pytestmark = pytest.mark.server


def test_no_request_of_one_who_has_signed_in_is_a_mistake_of_the_servers(
    run_app: Callable[..., RunningApp],
    settings: Callable[..., Settings],
    visit: Callable[..., Person],
    subtests: pytest.Subtests,
    caplog: pytest.LogCaptureFixture,
) -> None:
    add_users(settings(), "Ada")
    running = run_app(features=(*FEATURES, jobs_to_ask_for()), streamator_store="memory", auth="jwt")
    ada = visit(running, "Ada")
    job_ids = [str(ada.ask("POST", f"/api/fuzz/{how}").json()) for how in ("over", "open")]
    ask_as_the_schema_says(running, subtests, {"job_id": job_ids}, **ada.headers)
    running.stop()
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []
