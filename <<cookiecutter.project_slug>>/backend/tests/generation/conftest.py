"""What the tests of generation share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.generation.model_server import ModelServer, model_server


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModelServer]:
    # It speaks no TLS: reading the certificates of the machine anew for each client would take longer than the test.
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)  # which counts for more
    with model_server() as server:
        yield server
