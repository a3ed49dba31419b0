"""What the template's questions were answered with: names, ports and defaults.

Every answer is taken as data: it stands as JSON on a line of its own inside a raw string, so that no quote,
backslash or line break in it can end the string. In the template's own tree, where nothing has been
rendered, each value falls back to a usable default.
"""

from __future__ import annotations

import json

__all__ = [
    "BACKEND_PORT",
    "DEFAULT_AUTH",
    "DEFAULT_STORE",
    "DEFAULT_TABLE",
    "DEFAULT_WORKERS",
    "DESCRIPTION",
    "FRONTEND_PORT",
    "PROJECT_NAME",
    "PROJECT_SLUG",
    "TEMPLATE_VERSION",
]


def _answer(line: str, default: str) -> str:
    line = line.strip()
    # A rendered line is JSON and starts with a quote or a digit; a placeholder starts with its delimiter.
    return default if line.startswith("<") else str(json.loads(line))


PROJECT_NAME = _answer(
    r"""
<< cookiecutter.project_name | tojson >>
""",
    "Streamator App",
)
PROJECT_SLUG = _answer(
    r"""
<< cookiecutter.project_slug | tojson >>
""",
    "streamator-app",
)
DESCRIPTION = _answer(
    r"""
<< cookiecutter.description | tojson >>
""",
    "Runs long jobs and shows their progress live in the browser.",
)
DEFAULT_STORE = _answer(
    r"""
<< cookiecutter.store | tojson >>
""",
    "memory",
)
DEFAULT_AUTH = _answer(
    r"""
<< cookiecutter.auth | tojson >>
""",
    "none",
)
DEFAULT_TABLE = _answer(
    r"""
<< cookiecutter.dynamodb_table | tojson >>
""",
    "streamator-app-logs",
)
DEFAULT_WORKERS = _answer(
    r"""
<< cookiecutter.workers | tojson >>
""",
    "inline",
)
BACKEND_PORT = int(
    _answer(
        r"""
<< cookiecutter.backend_port | tojson >>
""",
        "8000",
    )
)
FRONTEND_PORT = int(
    _answer(
        r"""
<< cookiecutter.frontend_port | tojson >>
""",
        "5173",
    )
)
TEMPLATE_VERSION = _answer(
    r"""
<< cookiecutter._template_version | tojson >>
""",
    "0.0.0",
)
