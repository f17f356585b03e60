"""In a real browser, on a real server, under the policy of the service: no script or style of a page's own."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.dashboard.browser import chromium
from tests.server import Server

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
EVIL = "<script>document.title='evil'</script><img src=x onerror=\"parent.document.title='evil'\">"
pytestmark = [pytest.mark.walk, pytest.mark.once]


@pytest.fixture(scope="module")
def page(server: Server) -> Iterator[Any]:
    """Logged in, on a phone. Each page comes with the policy, and what the browser complains of is a failure."""
    server.env["DJANGO_SUPERUSER_PASSWORD"] = "secret"
    server.run("createsuperuser", "--noinput", "--username", "browser", "--email", "", check=False)
    complaints: list[str] = []
    with chromium() as browser:
        opened = browser.new_page(timezone_id="America/New_York", viewport={"width": 390, "height": 844})
        opened.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        opened.on("pageerror", lambda error: complaints.append(str(error)))
        opened.route("**/admin/**", with_policy)
        opened.goto(f"{server.url}/admin/login/")
        opened.fill("#id_username", "browser")
        opened.fill("#id_password", "secret")
        opened.click("[type=submit]")
        yield opened
    # A browser asks for an icon, too; and one test does in the frame what the frame must not let it do.
    assert [one for one in complaints if not re.search("404|about:srcdoc|origin 'null'|net::ERR_FAILED", one)] == []


def with_policy(route: Any) -> None:
    """What the service adds to each page; forms that are sent, and the rest, pass through."""
    if route.request.resource_type != "document" or route.request.method != "GET":
        route.continue_()
        return
    answer = route.fetch(max_redirects=0)
    route.fulfill(response=answer, headers={**answer.headers, "content-security-policy": POLICY})


def grade(server: Server, name: str, reply: str) -> int:
    (submission_id,) = server.enqueue({"queue_name": name, "answer": EVIL})
    session = requests.Session()
    password = server.grader(name)
    session.post(f"{server.url}/xqueue/login/", data={"username": name, "password": password})
    job = session.get(f"{server.url}/xqueue/get_submission/", params={"queue_name": name}).json()["content"]
    header = json.loads(job)["xqueue_header"]
    session.post(f"{server.url}/xqueue/put_result/", data={"xqueue_header": header, "xqueue_body": reply})
    return submission_id


def test_a_message_is_seen_and_does_nothing(page: Any, server: Server, name: str) -> None:
    message = f"<p>7 of <b>10</b> tests</p>{EVIL}"
    reply = json.dumps({"correct": True, "score": 0.7, "msg": message})
    grade(server, name, reply)
    page.goto(f"{server.url}/admin/submissions/externalgraderdetail/?queue_name={name}")
    page.click("#result_list th a")
    frame = page.frame_locator("iframe.gq-reply")
    assert frame.locator("p").inner_text() == "7 of 10 tests"
    assert frame.locator("script, img").count() == 0
    assert "evil" not in page.title()
    # Sanitised or not, the frame itself lets nothing run.
    page.eval_on_selector("iframe.gq-reply", "(frame, evil) => { frame.srcdoc = `<p>x</p>${evil}`; }", EVIL)
    page.wait_for_timeout(300)
    assert "evil" not in page.title()


def test_a_failed_job_is_mended_in_three_clicks(page: Any, server: Server, name: str) -> None:
    (submission_id,) = server.enqueue({"queue_name": name})
    server.run("shell", "-c", FAIL.format(submission_id=submission_id))
    page.goto(f"{server.url}/admin/submissions/graderqueue/?q={name}")
    page.click("a:has-text('1 failed')")
    page.click("#result_list th a")
    page.click("button:has-text('Retry')")
    assert "1 job will be graded again." in page.inner_text(".messagelist")
    assert server.show(submission_id)[0]["status"] == "pending"
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


FAIL = """
from submissions import queue
from submissions.models import GraderQueue
GraderQueue.objects.update(max_failures=1)
job, = queue.claim(queue.Job.objects.get(submission_id={submission_id}).queue_name, grader="g")
queue.fail({submission_id}, job.pullkey, reason="It broke.")
"""


def test_times_are_the_readers(page: Any, server: Server, name: str) -> None:
    server.enqueue({"queue_name": name})
    page.goto(f"{server.url}/admin/submissions/externalgraderdetail/?queue_name={name}")
    time = page.locator("time.gq-time").first
    assert time.get_attribute("title").endswith("UTC")
    shown = page.evaluate("t => new Date(t).getHours()", time.get_attribute("datetime"))
    assert f" {shown:02d}:" in time.inner_text()


def test_long_work_goes_on_by_itself(page: Any, server: Server, name: str) -> None:
    """The page between is a form of the same list; its script presses the button."""
    ids = server.enqueue(*({"queue_name": name, "student_id": f"s{i}"} for i in range(3)))
    page.goto(f"{server.url}/admin/submissions/externalgraderdetail/?queue_name={name}")
    page.check("#action-toggle")
    page.select_option("select[name=action] >> nth=0", "retire_jobs")
    page.click("button[name=index] >> nth=0")
    page.fill("#id_reason", "The course is over.")
    page.click("input[value='End without score']")
    assert "3 jobs ended without score." in page.inner_text(".messagelist")
    assert {row["last_error"] for row in server.show(*ids)} == {"The course is over."}
