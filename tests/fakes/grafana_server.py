"""Grafana's folders and dashboards, as its HTTP API takes them."""

from dataclasses import dataclass, field

from aiohttp import web

Document = dict[str, object]


@dataclass
class GrafanaServer:
    """`token` may write; `folders` and `dashboards` are by uid, and `version` counts the writes of each."""

    token: str = "glsa_editor"
    folders: dict[str, str] = field(default_factory=dict)
    dashboards: dict[str, Document] = field(default_factory=dict)
    versions: dict[str, int] = field(default_factory=dict)

    def app(self) -> web.Application:
        """Build the application."""
        app = web.Application(client_max_size=4 * 1024 * 1024)
        app.router.add_post("/api/folders", self._folder)
        app.router.add_post("/api/dashboards/db", self._dashboard)
        return app

    def _refused(self, request: web.Request) -> web.Response | None:
        if request.headers.get("Authorization") == f"Bearer {self.token}":
            return None
        return web.json_response({"message": "Invalid API key"}, status=401)

    async def _folder(self, request: web.Request) -> web.Response:
        if refused := self._refused(request):
            return refused
        asked = await request.json()
        if asked["uid"] in self.folders:
            message = "a folder with the same name already exists"
            return web.json_response({"message": message, "status": "version-mismatch"}, status=412)
        self.folders[asked["uid"]] = asked["title"]
        return web.json_response({"uid": asked["uid"], "title": asked["title"]})

    async def _dashboard(self, request: web.Request) -> web.Response:
        if refused := self._refused(request):
            return refused
        asked = await request.json()
        uid = asked["dashboard"]["uid"]
        if asked["folderUid"] not in self.folders:
            return web.json_response({"message": "folder not found"}, status=400)
        if uid in self.dashboards and not asked.get("overwrite"):
            return web.json_response({"status": "name-exists"}, status=412)
        self.dashboards[uid] = asked["dashboard"]
        self.versions[uid] = self.versions.get(uid, 0) + 1
        return web.json_response({"uid": uid, "url": f"/d/{uid}", "status": "success", "version": self.versions[uid]})
