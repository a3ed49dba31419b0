"""`python -m app.openapi` prints the OpenAPI schema, from which the page's types are made; see `make schema`."""

from __future__ import annotations

import json

from app.main import create_app
from app.settings import load_settings

__all__ = ["schema"]


def schema() -> str:
    """The schema as JSON. It is the same whatever the environment says, and whether anything here signs people in."""
    return json.dumps(create_app(load_settings(_env_file=None, auth="none")).openapi(), indent=2)


if __name__ == "__main__":
    print(schema())
