"""The built frontend, served by the backend itself where STATIC_DIR is set."""

from __future__ import annotations

from html import escape
from os import PathLike, stat_result
from pathlib import Path, PurePosixPath

from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from app.headers import PAGE_POLICY

__all__ = ["SinglePageApp"]


class SinglePageApp(StaticFiles):
    """Serves a directory; a path that is no file gets index.html, since the page does its own routing.

    A missing path under /api, or one that names a file (`x.js`), stays a 404: a page in place of a script
    or of JSON only moves the error elsewhere.

    All addresses in the page begin at its `<base>`, which is put where the app is: at ROOT_PATH.
    """

    async def get_response(self, path: str, scope: Scope) -> Response:
        try:
            response = await super().get_response(path, scope)
        except HTTPException as error:
            first, name = path.split("/", 1)[0], PurePosixPath(path).name
            if error.status_code != 404 or first == "api" or "." in name.strip("."):
                raise
            response = await super().get_response("index.html", scope)
        # Vite puts a hash of the content into the names under assets/; all else may change with any build.
        hashed = path.startswith("assets/") and response.status_code == 200
        response.headers["content-security-policy"] = PAGE_POLICY
        response.headers["cache-control"] = "public, max-age=31536000, immutable" if hashed else "no-cache"
        return response

    def file_response(
        self, full_path: str | PathLike[str], stat_result: stat_result, scope: Scope, status_code: int = 200
    ) -> Response:
        path = Path(full_path)
        if path.name != "index.html":
            return super().file_response(full_path, stat_result, scope, status_code)
        # It has no ETag of the file's: with another ROOT_PATH the same file is another page.
        base = f'<base href="{escape(scope.get("root_path", ""))}/"'
        return HTMLResponse(path.read_text(encoding="utf-8").replace('<base href="/"', base, 1), status_code)
