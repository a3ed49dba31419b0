from __future__ import annotations

import app.project


def test_every_value_is_of_use_rendered_or_not() -> None:
    assert app.project.PROJECT_NAME
    assert app.project.DEFAULT_STORE in ("memory", "dynamo", "redis")
    assert 1 <= app.project.BACKEND_PORT <= 65535
    assert app.project.BACKEND_PORT != app.project.FRONTEND_PORT
