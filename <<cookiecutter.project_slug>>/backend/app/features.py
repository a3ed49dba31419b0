"""The parts of this app. To remove one, delete its folders, here and in the page's source, and its two lines; see
`frontend/src/app/pages.ts` for the page's."""

from __future__ import annotations

from app.agents.feature import FEATURE as AGENTS
from app.auth.feature import FEATURE as AUTH
from app.dashboard.feature import FEATURE as DASHBOARD
from app.feature import Feature
from app.generation.feature import FEATURE as GENERATION
from app.ingest.feature import FEATURE as INGEST

__all__ = ["FEATURES"]

FEATURES: tuple[Feature, ...] = (
    AUTH,
    INGEST,
    GENERATION,
    AGENTS,
    DASHBOARD,
)
"""In the order in which they are started."""
