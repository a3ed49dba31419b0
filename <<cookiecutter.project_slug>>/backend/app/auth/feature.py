"""How sign-in is put into the app."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from app.auth.accounts import MIGRATIONS
from app.auth.gate import Gate
from app.auth.router import router
from app.auth.service import Auth
from app.feature import Feature, Services

__all__ = ["FEATURE"]


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    services: Services = app.state.services
    app.state.auth = await Auth.open(services) if services.settings.auth == "jwt" else None
    yield


FEATURE = Feature(name="auth", router=router, migrations=MIGRATIONS, lifespan=_lifespan, authentication=Gate)
