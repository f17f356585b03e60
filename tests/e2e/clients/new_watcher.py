"""The watcher since mid-2026: fetches a CSRF token before it logs in, and logs in again once on 302, 401 and 403."""

from __future__ import annotations

from typing import Any

import requests

from tests.e2e.clients.old_watcher import FAILED, TIMEOUT, OldWatcher, understood


class NewWatcher(OldWatcher):
    def login(self) -> bool:
        self.logins += 1
        address = f"{self.server}/xqueue/login/"
        try:
            # What this answers does not matter, as long as it sets the cookie.
            self.http.get(address, timeout=TIMEOUT, allow_redirects=False)
            fields = {"username": self.auth[0], "password": self.auth[1]}
            response = self.http.post(
                address, data=fields, headers=self.token(), timeout=TIMEOUT, allow_redirects=False
            )
        except requests.RequestException:
            return False
        return understood(response)[0]

    def token(self) -> dict[str, str]:
        cookies = self.http.cookies
        value = cookies.get("csrftoken") or cookies.get("edx-csrftoken")
        return {"X-CSRFToken": value, "Referer": self.server} if value else {}

    def request(self, method: str, endpoint: str, **fields: Any) -> tuple[bool, Any]:
        for attempt in (1, 2):
            headers = self.token() if method == "POST" else {}
            try:
                response = self.http.request(
                    method,
                    f"{self.server}/xqueue/{endpoint}/",
                    headers=headers,
                    timeout=TIMEOUT,
                    allow_redirects=False,
                    **fields,
                )
            except requests.RequestException:
                return FAILED
            lost = response.status_code in (301, 302, 401, 403)
            if not (lost and attempt == 1 and self.login()):
                break
        return understood(response)
