"""`gradequeue pause` and `resume`."""

from __future__ import annotations

import time

from tests.cli.talk import log_in, pull
from tests.server import Server


def test_a_paused_queue_hands_out_nothing_until_it_is_resumed(server: Server, name: str) -> None:
    server.enqueue({"queue_name": name})
    http, _, _ = log_in(server, name, server.grader(name))
    assert server.run("pause", name).stderr == f"Queue {name} paused; graders receive no jobs.\n"
    again = server.run("pause", name, f"{name}-2", check=False)
    assert (again.returncode, again.stderr.splitlines()) == (
        1,
        [f"Queue {name} is paused already.", f"There is no queue '{name}-2'."],
    )
    with http:
        assert pull(http, server, name).json()["return_code"] == 1
        assert server.rows("resume", name, "--json") == [{"queue_name": name, "paused": False}]
        until = time.monotonic() + 30
        # A web worker remembers a queue's settings for two seconds.
        while (said := pull(http, server, name).json())["return_code"] != 0 and time.monotonic() < until:
            time.sleep(0.2)
        assert said["return_code"] == 0
