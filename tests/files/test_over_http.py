"""Files through the real service, fetched by what a course's script fetches them with."""

from __future__ import annotations

import hashlib
import json
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator

import pytest
import requests

from tests.server import Server


@pytest.fixture(scope="module")
def grader(server: Server) -> Iterator[requests.Session]:
    """A grader that is logged in."""
    with requests.Session() as http:
        name = f"n{uuid.uuid4().hex[:10]}"
        account = {"username": name, "password": server.grader(name)}
        assert http.post(f"{server.url}/xqueue/login/", data=account, timeout=20).status_code == 200
        yield http


def handed_out(grader: requests.Session, server: Server, queue: str) -> dict[str, str]:
    got = grader.get(f"{server.url}/xqueue/get_submission/", params={"queue_name": queue}, timeout=20).json()
    files: dict[str, str] = json.loads(json.loads(got["content"])["xqueue_files"])
    return files


def test_a_plain_downloader_gets_each_file(server: Server, grader: requests.Session, name: str) -> None:
    texts = {"program.py": "print('hé')\n", "übung 1/../a&b.py": "", 'say "hi"\n.py': "x = 1"}
    server.enqueue({"queue_name": name, "files": texts})
    addresses = handed_out(grader, server, name)
    assert list(addresses) == ["program.py", "übung 1/a&b.py", 'say "hi".py']
    for file, address in zip(texts, addresses.values(), strict=True):
        assert address.startswith(f"{server.url}/xqueue/files/")
        with urllib.request.urlopen(address, timeout=20) as response:
            assert response.read() == texts[file].encode()
            assert response.headers["Content-Length"] == str(len(texts[file].encode()))
            assert response.headers["Content-Disposition"].startswith("attachment; filename")
            assert response.headers["Set-Cookie"] is None
    with pytest.raises(urllib.error.HTTPError, match="403") as refused:
        urllib.request.urlopen(addresses["program.py"][:-1] + "!", timeout=20)
    with refused.value as response:
        assert json.load(response) == {
            "return_code": 1,
            "content": "The address of this file is not valid, or no longer",
        }


def test_twenty_megabytes_arrive_whole(server: Server, grader: requests.Session, name: str) -> None:
    text = "0123456789abcde\n" * (20 * 1024 * 1024 // 16)
    server.enqueue({"queue_name": name, "files": {"big.txt": text}})
    address = handed_out(grader, server, name)["big.txt"]
    head = requests.head(address, timeout=20)
    assert (head.status_code, head.headers["Content-Length"], head.content) == (200, "20971520", b"")
    digest = hashlib.sha256()
    with requests.get(address, stream=True, timeout=20) as response:
        for chunk in response.iter_content(65536):
            digest.update(chunk)
    assert digest.hexdigest() == hashlib.sha256(text.encode()).hexdigest()


def test_downloads_that_nobody_reads_do_not_stop_the_others(
    server: Server, grader: requests.Session, name: str
) -> None:
    server.enqueue({"queue_name": name, "files": {"big.txt": "x" * 8 * 1024 * 1024}})
    address = handed_out(grader, server, name)["big.txt"]
    stalled = [requests.get(address, stream=True, timeout=20) for _ in range(24)]
    assert [response.status_code for response in stalled] == [200] * 24
    assert requests.get(f"{server.url}/xqueue/status/", timeout=5).json() == {"return_code": 0, "content": "OK"}
    for response in stalled:
        response.close()
