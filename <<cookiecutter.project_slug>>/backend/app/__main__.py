"""`python -m app`: runs the server on BACKEND_HOST and BACKEND_PORT."""

from __future__ import annotations

import argparse
import sys

import uvicorn

from app.settings import PROJECT_ROOT, SettingsError, load_settings


def main() -> int:
    """Runs the server until it is stopped; gives the exit code, 2 where a setting is wrong."""
    parser = argparse.ArgumentParser(prog="python -m app", description="Run the backend.")
    parser.add_argument("--reload", action="store_true", help="restart when the code changes")
    options = parser.parse_args()
    try:
        settings = load_settings()
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 2
    watched = [PROJECT_ROOT / "backend" / "app", PROJECT_ROOT / "libs" / "streamator" / "src"]
    uvicorn.run(
        "app.main:app",
        host=settings.backend_host,
        port=settings.backend_port,
        reload=options.reload,
        reload_dirs=[str(each) for each in watched if each.is_dir()] if options.reload else None,
        # Streams end by themselves; this bounds a request that does not, such as a stalled upload.
        timeout_graceful_shutdown=5,
        # Viewers send little over their WebSockets; what is larger is refused before it is read (1009).
        ws_max_size=65_536,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
