"""The LMS's side of submit/: logs in when it is told to, and then sends the same once more."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from typing import Any

import requests

TIMEOUT = (3.05, 60)


class Lms:
    """One connection of a platform; `accepted` has the replies' contents."""

    def __init__(self, server: str, name: str, password: str) -> None:
        self.server, self.auth = server, (name, password)
        self.http = requests.Session()
        self.accepted: list[str] = []

    def submit(self, header: Mapping[str, str], body: str, files: Mapping[str, bytes]) -> None:
        fields = {"xqueue_header": json.dumps(header), "xqueue_body": body}
        readable = {name: io.BytesIO(content) for name, content in files.items()}
        failed, told = self._post("submit", fields, readable)
        if told == "login_required":
            failed, told = self._post("login", {"username": self.auth[0], "password": self.auth[1]})
            assert not failed, told
            for file in readable.values():
                file.seek(0)
            failed, told = self._post("submit", fields, readable)
        assert not failed, told
        self.accepted.append(told)

    def _post(self, verb: str, fields: Mapping[str, str], files: Mapping[str, Any] | None = None) -> tuple[int, str]:
        response = self.http.post(f"{self.server}/xqueue/{verb}/", data=fields, files=files, timeout=TIMEOUT)
        if response.status_code != 200:
            return 1, f"unexpected HTTP status code [{response.status_code}]"
        envelope = response.json()
        assert isinstance(envelope["content"], str)
        return envelope["return_code"], envelope["content"]
