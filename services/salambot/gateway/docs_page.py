"""`/docs` without network: Swagger UI's own files stand beside this module (Apache 2.0), and come from this machine."""

from pathlib import Path

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.responses import FileResponse, Response

from salambot.core.problems import Problem

_FOLDER = Path(__file__).with_name("swagger")
_FILES = {"swagger-ui-bundle.js": "text/javascript", "swagger-ui.css": "text/css"}
_NO_ICON = "data:,"
"""The page of FastAPI names an icon on the network."""


def add_docs_page(app: FastAPI) -> None:
    """Serve the page and its files; who may see them is for LocalOnlyMiddleware."""

    @app.get("/docs", include_in_schema=False)
    async def docs() -> Response:
        return get_swagger_ui_html(
            openapi_url="/openapi.json",
            title=app.title,
            swagger_js_url="/docs/swagger-ui-bundle.js",
            swagger_css_url="/docs/swagger-ui.css",
            swagger_favicon_url=_NO_ICON,
        )

    @app.get("/docs/{name}", include_in_schema=False)
    async def docs_file(name: str) -> Response:
        if name not in _FILES:
            raise Problem(404, "not_found", "Not Found.")
        return FileResponse(_FOLDER / name, media_type=_FILES[name])
