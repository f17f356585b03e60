"""tokens/me/: what the token is that asks."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from django.http import HttpResponseBase

from submissions.rest import base
from submissions.rest.base import Resource, answer


class Me(Resource):
    def retrieve(self, request: Any) -> HttpResponseBase:
        token = self.token
        return answer(
            {
                "id": token.public_id,
                "name": token.name,
                "account": self.account,
                "scopes": token.scope_list,
                "queues": token.patterns,
                "expires_at": base.time(token.expires_at),
                "server_version": version("gradequeue"),
            }
        )
