"""`ops/nginx`: Debian's nginx with that file, before two real web nodes, with TLS."""

from __future__ import annotations

import json
import re
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import requests
import trustme

from tests.server import Server, free_port
from tests.walkthrough import ROOT

pytestmark = [pytest.mark.walk, pytest.mark.once]

FOLDER = ROOT / "ops" / "nginx"
HOST = "queue.example.org"
MAIN = """
user root; worker_processes 2; daemon off; pid {folder}/pid; error_log {folder}/error.log warn;
{crowds}
http {{
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  include {folder}/gradequeue.conf;
}}
"""


def documented() -> str:
    """What docs/operating.md has for /etc/nginx/nginx.conf."""
    page = (ROOT / "docs" / "operating.md").read_text().split("### Connections of clients", 1)[1]
    return page.split("```nginx", 1)[1].split("```", 1)[0]


class Proxy:
    """nginx as it is configured for a site, on ports of its own."""

    def __init__(self, folder: Path, nodes: list[Server]) -> None:
        self.folder, self.nodes = folder, nodes
        self.port, self.plain = free_port(), free_port()
        self.authority = trustme.CA()
        self.url = f"https://127.0.0.1:{self.port}"
        self.authority.cert_pem.write_to_path(str(folder / "ca.pem"))
        made = self.authority.issue_cert(HOST, "127.0.0.1")
        made.private_key_pem.write_to_path(str(folder / "privkey.pem"))
        for part in made.cert_chain_pems:
            part.write_to_path(str(folder / "fullchain.pem"), append=True)

    def write(self) -> None:
        text = (FOLDER / "gradequeue.conf").read_text()
        for there, here in (
            ("server 127.0.0.1:8000 ", f"server 127.0.0.1:{self.nodes[0].port} "),
            ("server 10.0.0.6:8000 ", f"server 127.0.0.1:{self.nodes[1].port} "),
            ("listen 80;", f"listen 127.0.0.1:{self.plain};"),
            ("listen [::]:80;", ""),
            ("listen 443 ssl http2;", f"listen 127.0.0.1:{self.port} ssl http2;"),
            ("listen [::]:443 ssl http2;", ""),
            ("/etc/ssl/gradequeue", str(self.folder)),
            ("/etc/nginx/gradequeue_proxy.conf", str(FOLDER / "gradequeue_proxy.conf")),
            ("/var/log/nginx", str(self.folder)),
        ):
            assert there in text, there
            text = text.replace(there, here)
        (self.folder / "gradequeue.conf").write_text(text)
        (self.folder / "nginx.conf").write_text(MAIN.format(folder=self.folder, crowds=documented()))

    def session(self) -> requests.Session:
        made = requests.Session()
        # Else REQUESTS_CA_BUNDLE of the environment would count, and not `verify`.
        made.trust_env = False
        made.verify = str(self.folder / "ca.pem")
        made.headers["Host"] = HOST
        return made

    def grader(self, name: str, password: str) -> requests.Session:
        made = self.session()
        answer = made.post(f"{self.url}/xqueue/login/", data={"username": name, "password": password}, timeout=60)
        assert answer.json() == {"return_code": 0, "content": "Logged in"}
        return made

    def connect(self, source: str = "") -> ssl.SSLSocket:
        """`source`: the address to come from."""
        context = ssl.create_default_context(cafile=str(self.folder / "ca.pem"))
        plain = socket.create_connection(("127.0.0.1", self.port), timeout=60, source_address=(source, 0))
        return context.wrap_socket(plain, server_hostname=HOST)

    def raw(self, *parts: bytes) -> bytes:
        """All that is answered to these bytes, until the other side closes; for fifteen seconds at the most."""
        answered = b""
        with self.connect() as connection:
            connection.settimeout(15)
            try:
                for part in parts:
                    connection.sendall(part)
                while found := connection.recv(65536):
                    answered += found
            except OSError:
                pass
        return answered


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    folder = tmp_path_factory.mktemp("nginx")
    shared = {
        "GRADEQUEUE_ENV": "production",
        "GRADEQUEUE_SECRET_KEY": "x" * 50,
        "GRADEQUEUE_ALLOWED_HOSTS": HOST,
        "GRADEQUEUE_BASE_URL": f"https://{HOST}",
        "GRADEQUEUE_TRUSTED_PROXIES": "1",
        "GRADEQUEUE_DATA": str(folder / "data"),
    }
    nodes = []
    for name in ("a", "b"):
        (folder / name).mkdir()
        nodes.append(Server(f"sqlite:///{folder / 'queue.sqlite3'}", folder / name, **shared))
    program = shutil.which("nginx") or "/usr/sbin/nginx"
    made = Proxy(folder, nodes)
    made.write()
    nodes[0].run("migrate", "-v", "0")
    with ExitStack() as stack:
        for node in nodes:
            node.most_files = 1024
            node.start("--threads", "8", workers=1)
            stack.callback(node.stop)
        words = [program, "-p", str(folder), "-e", str(folder / "error.log"), "-c", str(folder / "nginx.conf")]
        tested = subprocess.run([*words, "-t"], capture_output=True, text=True, timeout=60, check=False)
        assert "test is successful" in tested.stderr, tested.stderr
        assert "[warn]" not in tested.stderr.replace('the "user" directive', "")
        process = subprocess.Popen(words)
        stack.callback(process.wait, timeout=60)
        stack.callback(process.terminate)
        _await(lambda: made.session().get(f"{made.url}/livez", timeout=10).status_code == 200)
        yield made


def _await(holds: Any) -> None:
    for _ in range(300):
        try:
            if holds():
                return
        except requests.RequestException:
            pass
        time.sleep(0.2)
    raise AssertionError("It did not come to that.")


def test_a_submission_with_a_file_is_claimed_graded_and_told(proxy: Proxy) -> None:
    node = proxy.nodes[0]
    platform = proxy.grader("platform", str(node.rows("submitter", "create", "platform", "--json")[0]["password"]))
    header = {"lms_callback_url": "https://lms.example.org/back", "lms_key": "1", "queue_name": "python"}
    body = {"student_info": "{}", "grader_payload": "{}", "student_response": "print(1)"}
    content = b"\x00\xff" * 500_000
    answer = platform.post(
        f"{proxy.url}/xqueue/submit/",
        data={"xqueue_header": json.dumps(header), "xqueue_body": json.dumps(body)},
        files={"notes.bin": content},
        timeout=60,
    )
    assert answer.json() == {"return_code": 0, "content": "1"}

    grader = proxy.grader("ada", node.grader("ada"))
    job = json.loads(grader.get(f"{proxy.url}/xqueue/get_submission/?queue_name=python", timeout=60).json()["content"])
    (place,) = json.loads(job["xqueue_files"]).values()
    assert place.startswith(f"https://{HOST}/")
    assert grader.get(place.replace(f"https://{HOST}", proxy.url), timeout=60).content == content
    reply = json.dumps({"correct": True, "score": 1, "msg": "x" * 3_000_000})
    done = grader.post(
        f"{proxy.url}/xqueue/put_result/",
        data={"xqueue_header": job["xqueue_header"], "xqueue_body": reply},
        timeout=60,
    )
    assert done.json()["return_code"] == 0, done.text
    (row,) = node.show(json.loads(job["xqueue_header"])["submission_id"])
    assert (row["status"], row["grader"]) == ("retired", "ada")


def test_a_person_logs_in_at_the_dashboard(proxy: Proxy) -> None:
    node = proxy.nodes[0]
    node.env["DJANGO_SUPERUSER_PASSWORD"] = "correct-horse"
    node.run("createsuperuser", "--no-input", "--username", "root", "--email", "root@example.org")
    person = proxy.session()
    page = person.get(f"{proxy.url}/dashboard/", timeout=60)
    assert page.headers["Strict-Transport-Security"] == "max-age=31536000"
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.text)
    assert token is not None
    answer = person.post(
        f"{proxy.url}/dashboard/login/?next=/dashboard/",
        data={"username": "root", "password": "correct-horse", "csrfmiddlewaretoken": token[1]},
        headers={"Origin": f"https://{HOST}", "Referer": f"https://{HOST}/dashboard/login/"},
        timeout=60,
        allow_redirects=False,
    )
    assert (answer.status_code, answer.headers["Location"]) == (302, "/dashboard/")
    assert all(cookie.secure for cookie in person.cookies)
    assert person.get(f"{proxy.url}/dashboard/", timeout=60).status_code == 200


def test_plain_http_is_sent_to_https(proxy: Proxy) -> None:
    answer = requests.get(
        f"http://127.0.0.1:{proxy.plain}/dashboard/?x=1", headers={"Host": HOST}, timeout=60, allow_redirects=False
    )
    assert (answer.status_code, answer.headers["Location"]) == (308, f"https://{HOST}/dashboard/?x=1")


def test_what_a_client_says_of_itself_is_not_believed(proxy: Proxy) -> None:
    said = {"X-Forwarded-Proto": "http", "X_Forwarded_Proto": "http", "X-Request-ID": "mine-mine-mine"}
    answer = proxy.session().get(f"{proxy.url}/dashboard/login/", headers=said, timeout=60, allow_redirects=False)
    assert answer.status_code == 200
    assert answer.headers["X-Request-ID"] != "mine-mine-mine"


@pytest.mark.parametrize("path", ["/metrics", "/metrics/", "/readyz", "/readyz/", "/readyz//", "/autoscaling/python"])
def test_numbers_are_not_for_strangers(proxy: Proxy, path: str) -> None:
    answer = proxy.session().get(proxy.url + path, timeout=60)
    assert (answer.status_code, "nginx" in answer.text) == (404, True)


def test_what_is_too_large_is_refused_in_words_and_then_at_the_door(proxy: Proxy) -> None:
    platform = proxy.grader("large", str(proxy.nodes[0].rows("submitter", "create", "large", "--json")[0]["password"]))

    def send(length: int) -> requests.Response:
        return platform.post(f"{proxy.url}/xqueue/submit/", data={"xqueue_body": "x" * length}, timeout=120)

    answer = send(25 * 1024 * 1024 + 1000)
    assert answer.json() == {"return_code": 1, "content": "The request is larger than 26214400 bytes"}
    assert send(27 * 1024 * 1024).status_code == 413


@pytest.mark.parametrize(
    "path", ["/xqueue/login/", "/xqueue/login", "//xqueue/login//", "/dashboard/login/", "/admin/login/"]
)
def test_logins_beyond_measure_are_refused(proxy: Proxy, path: str) -> None:
    """After 100 at once, and far below what is allowed of other requests."""

    def ask(_: int) -> int:
        return proxy.session().get(f"{proxy.url}{path}", timeout=120, allow_redirects=False).status_code

    with ThreadPoolExecutor(16) as pool:
        statuses = list(pool.map(ask, range(180)))
    assert 429 in statuses
    assert 301 not in statuses
    assert proxy.session().get(f"{proxy.url}/xqueue/status/", timeout=60).status_code == 200


def test_three_thousand_idle_connections_stop_no_grader(proxy: Proxy) -> None:
    """They send nothing, half a head, or half a body; each of the web node's processes may have 1,024 files open."""
    node = proxy.nodes[0]
    node.enqueue(*({"queue_name": "crowds", "student_id": f"s{number}"} for number in range(20)))
    grader = proxy.grader("crowded", node.grader("crowded"))
    with ExitStack() as stack:
        # Elsewhere than the grader: an address has limits of its own.
        for number in range(400):
            slow = stack.enter_context(proxy.connect(f"127.0.1.{number % 4 + 1}"))
            slow.sendall(SLOW_HEAD if number % 2 else SLOW_BODY)
        place = ("127.0.0.1", proxy.port)
        idle = [socket.create_connection(place, timeout=60, source_address=("127.0.1.9", 0)) for _ in range(2600)]
        for one in idle:
            stack.callback(one.close)
        took = [grade(proxy, grader, "crowds") for _ in range(20)]
        assert sum(is_open(one) for one in idle) == 2600
    assert max(took) < 1, took


def is_open(connection: socket.socket) -> bool:
    """Whether the other side has sent nothing, and not closed it."""
    connection.setblocking(False)
    try:
        connection.recv(1)
        return False
    except BlockingIOError:
        return True
    except OSError:
        return False


def grade(proxy: Proxy, grader: requests.Session, queue_name: str) -> float:
    """Pull a job and bring its result; how long the longer of the two took (seconds)."""
    began = time.monotonic()
    polled = grader.get(f"{proxy.url}/xqueue/get_submission/?queue_name={queue_name}", timeout=60).json()
    assert polled["return_code"] == 0, polled
    header = json.loads(polled["content"])["xqueue_header"]
    result = {"xqueue_header": header, "xqueue_body": '{"correct": true, "score": 1, "msg": ""}'}
    pulled = time.monotonic()
    assert grader.post(f"{proxy.url}/xqueue/put_result/", data=result, timeout=60).json()["return_code"] == 0
    return max(pulled - began, time.monotonic() - pulled)


SLOW_HEAD = b"GET /xqueue/status/ HTTP/1.1\r\nHost: " + HOST.encode() + b"\r\nX-Slow: "
SLOW_BODY = b"POST /xqueue/login/ HTTP/1.1\r\nHost: " + HOST.encode() + b"\r\nContent-Length: 100000\r\n\r\nusername="


@pytest.mark.parametrize("beginning", [SLOW_HEAD, SLOW_BODY], ids=["head", "body"])
def test_slow_clients_hold_no_thread_and_are_cut_off(proxy: Proxy, beginning: bytes) -> None:
    """More of them than both nodes have threads. After 10 seconds, where the machine is not busy."""
    with ExitStack() as stack:
        began = time.monotonic()
        slow = [stack.enter_context(proxy.connect()) for _ in range(60)]
        for connection in slow:
            connection.sendall(beginning)
        for _ in range(5):
            assert proxy.session().get(f"{proxy.url}/xqueue/status/", timeout=60).status_code == 200
        for connection in slow:
            connection.settimeout(120)
            assert _end_of(connection) in (b"", b"HTTP/1.1 408", b"HTTP/1.1 429")
        assert time.monotonic() - began < 30


def _end_of(connection: ssl.SSLSocket) -> bytes:
    """The beginning of what was answered before the other side closed."""
    try:
        return connection.recv(65536)[:12]
    except TimeoutError:
        raise
    except OSError:
        return b""


SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: " + HOST.encode() + b"\r\nX-Ignore: "
LENGTH, CHUNKED = b"Content-Length: %d", b"Transfer-Encoding: chunked"
# Two heads about one body, in each order, and spelled so that one side may overlook one of them.
HEADS = {
    "CL.TE": (LENGTH, CHUNKED),
    "TE.CL": (CHUNKED, LENGTH),
    "a space before the colon": (LENGTH, b"Transfer-Encoding : chunked"),
    "a tab": (LENGTH, b"Transfer-Encoding:\tchunked"),
    "another word": (LENGTH, b"Transfer-Encoding: xchunked"),
    "two codings": (LENGTH, b"Transfer-Encoding: identity, chunked"),
    "twice": (LENGTH, CHUNKED, b"Transfer-Encoding: identity"),
    "folded": (LENGTH, b"X: x\r\n Transfer-Encoding: chunked"),
    "a lone newline": (LENGTH, b"X: x\nTransfer-Encoding: chunked"),
    "a vertical tab": (LENGTH, b"Transfer-Encoding: \x0bchunked"),
    "two lengths": (LENGTH, b"Content-Length: 0"),
    "a signed length": (b"Content-Length: +%d",),
    "a list of lengths": (b"Content-Length: %d, 0",),
    "an underscore": (LENGTH, b"Transfer_Encoding: chunked"),
    "a folded length": (b"Content-Length:\r\n %d",),
    "a length of a space": (b"Content-Length: %d 0",),
    "a length after a lone newline": (b"X: x\nContent-Length: %d",),
}
# What ends a chunked body for one side may not end it for the other.
CHUNKS = {
    "lone newlines": b"0\n\n",
    "an extension with a newline": b"1;a=\nb\r\nx\r\n0\r\n\r\n",
    "a hexadecimal sign": b"0x0\r\n\r\n",
    "a size of many digits": b"10000000000000000\r\nx\r\n0\r\n\r\n",
    "a chunk that is longer than it says": b"1\r\nxx\r\n0\r\n\r\n",
    "a head after the end": b"0\r\nContent-Length: 5\r\n\r\n",
    "an end without one": b"0\r\n",
}


@pytest.mark.parametrize("name", HEADS)
def test_no_request_travels_within_another(proxy: Proxy, name: str) -> None:
    for body in (b"0\r\n\r\n" + SMUGGLED, b"%x\r\n%s\r\n0\r\n\r\n" % (len(SMUGGLED), SMUGGLED)):
        head = b"\r\n".join(HEADS[name])
        head = head % (len(body) if body.startswith(b"0\r\n") else 4) if b"%d" in head else head
        first = b"POST /xqueue/status/ HTTP/1.1\r\nHost: " + HOST.encode() + b"\r\n" + head + b"\r\n\r\n" + body
        assert_apart(proxy, first)


def assert_apart(proxy: Proxy, first: bytes) -> None:
    """Whoever asks next, on the same connections to the web nodes, gets the answer to what was asked."""
    proxy.raw(first, b"GET /xqueue/status/ HTTP/1.1\r\nHost: " + HOST.encode() + b"\r\nConnection: close\r\n\r\n")
    with ThreadPoolExecutor(4) as pool:
        asked = pool.map(lambda _: proxy.session().get(f"{proxy.url}/xqueue/status/", timeout=60), range(8))
        assert {(answer.status_code, answer.text) for answer in asked} == {(200, OK)}


@pytest.mark.parametrize("name", CHUNKS)
def test_no_request_travels_within_odd_chunks(proxy: Proxy, name: str) -> None:
    first = b"POST /xqueue/status/ HTTP/1.1\r\nHost: " + HOST.encode() + b"\r\n" + CHUNKED + b"\r\n\r\n"
    assert_apart(proxy, first + CHUNKS[name] + SMUGGLED)


OK = '{"return_code":0,"content":"OK"}'


def test_while_one_node_is_down_the_other_does_it_all(proxy: Proxy) -> None:
    password = proxy.nodes[0].grader("ben")
    assert proxy.nodes[1].stop() == 0
    for _ in range(4):
        ben = proxy.grader("ben", password)
        answer = ben.get(f"{proxy.url}/xqueue/get_queuelen/?queue_name=python", timeout=60)
        assert answer.json()["return_code"] == 0
    proxy.nodes[1].start("--threads", "8", workers=1)


@pytest.mark.parametrize("name", ["ops/nginx/gradequeue.conf", "deploy/compose/nginx.conf.template"])
def test_no_signature_is_in_the_log(name: str) -> None:
    """Whoever has the address of a file, with its query, has the file."""
    site = (ROOT / name).read_text()
    (form,) = re.findall(r"^log_format gradequeue (.*?);", site, re.MULTILINE | re.DOTALL)
    named = set(re.findall(r"\$(\w+)", form))
    assert "uri" in named
    assert named & {"request", "request_uri", "args", "query_string"} == set()
    assert [one for one in named if one.startswith(("http_", "arg_", "cookie_", "sent_http_"))] == []
    servers = re.findall(r"^server \{.*?^\}", site, re.MULTILINE | re.DOTALL)
    (answering,) = [server for server in servers if "proxy_pass" in server]
    assert re.search(r"access_log \S+ gradequeue;", answering)


COMPOSED = "daemon off; pid {folder}/pid; events {{}} http {{ access_log off; {site} }}"


def test_the_compositions_nginx_asks_anew_where_the_service_is(tmp_path: Path) -> None:
    """Nobody is called `web` here, as while Compose makes a new container; nginx starts all the same."""
    site = (ROOT / "deploy" / "compose" / "nginx.conf.template").read_text()
    known = {"${GRADEQUEUE_HOST}": HOST, "${NGINX_LOCAL_RESOLVERS}": "127.0.0.11", "/etc/nginx/tls": str(tmp_path)}
    for there, here in known.items():
        assert there in site
        site = site.replace(there, here)
    assert "${" not in site
    made = trustme.CA().issue_cert(HOST)
    made.private_key_pem.write_to_path(str(tmp_path / "privkey.pem"))
    made.cert_chain_pems[0].write_to_path(str(tmp_path / "fullchain.pem"))
    (tmp_path / "nginx.conf").write_text(COMPOSED.format(folder=tmp_path, site=site))
    program = shutil.which("nginx") or "/usr/sbin/nginx"
    words = [program, "-p", str(tmp_path), "-e", str(tmp_path / "error.log"), "-c", str(tmp_path / "nginx.conf"), "-t"]
    tested = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert "test is successful" in tested.stderr, tested.stderr
