"""What all clients grade: answers that say themselves what they are worth, or have it in their file."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Mapping
from typing import Any

WORTH = {"right": 1.0, "half": 0.5, "tenth": 0.1, "wrong": 0.0}


def reply_to(body: str, files: Mapping[str, str]) -> dict[str, Any]:
    """The grader's reply to a submission (`body`: xqueue_body's text; `files`: names and addresses)."""
    answer = json.loads(body)["student_response"]
    if answer == "see the file":
        answer = downloaded(files["answer.txt"]).decode()
    worth = WORTH[answer]
    return {"correct": worth == 1, "score": worth, "msg": f"<p>Bew\u00e4ltigt zu {worth:.0%}</p>"}


def downloaded(address: str) -> bytes:
    """As the oldest graders do: plainly, without a session."""
    with urllib.request.urlopen(address, timeout=10) as response:
        return bytes(response.read())
