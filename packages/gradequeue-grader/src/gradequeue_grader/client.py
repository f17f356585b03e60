"""The two clients. They differ in how they wait; what can be asked is in `verbs`."""

from __future__ import annotations

import json
from types import TracebackType
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx

from gradequeue_grader import __version__
from gradequeue_grader.problems import NotGradequeue, Unreachable, check
from gradequeue_grader.verbs import Request

T = TypeVar("T")
API = "/api/external_grading/v1/"
# Beside what the server waits on purpose (seconds).
TIMEOUT = 30.0


def address(url: str) -> str:
    """The API's address at a server's. Raises ValueError for what is no http(s) address."""
    parts = urlsplit(url.strip())
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{url!r} is no address: write it like https://grades.example.org")
    if "@" in parts.netloc:
        # It would take the token's place, and stand in logs.
        raise ValueError("the address has a name or a password; only the token says who asks")
    base = parts._replace(query="", fragment="").geturl().rstrip("/")
    whole = f"{base}/" if base.endswith(API.rstrip("/")) else f"{base}{API}"
    try:
        httpx.URL(whole)
    except httpx.InvalidURL as error:
        raise ValueError(f"{url!r} is no address: {error}") from error
    return whole


class _Sender:
    """What both clients do around the sending: settings, the request's form, the answer."""

    def __init__(self, url: str, token: str, timeout: float = TIMEOUT) -> None:
        self.base = address(url)
        self._token = token
        self.timeout = timeout

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.base!r})"

    def _settings(self) -> dict[str, Any]:
        # A redirect is no answer of the API's, and the token is for this server alone.
        return {
            "headers": {"Authorization": f"Bearer {self._token}", "User-Agent": f"gradequeue-grader/{__version__}"},
            "timeout": self.timeout,
            "follow_redirects": False,
        }

    def _form(self, request: Request[Any]) -> dict[str, Any]:
        form: dict[str, Any] = {"headers": dict(request.headers), "params": dict(request.params) or None}
        if request.files:
            # The part `submission` has no file name, only a type.
            form["files"] = [("submission", (None, _encoded(request.body), "application/json")), *request.files]
        elif request.body is not None:
            form["content"] = _encoded(request.body)
            form["headers"]["Content-Type"] = "application/json"
        whole = self.timeout + request.waits
        return form | {"timeout": whole if request.within is None else min(whole, request.within)}

    def _address(self, path: str) -> str:
        """Raises NotGradequeue for one of another server: the token stays here.

        The server may go by another name than the one it is asked by (its public one, inside a cluster): what is below
        its API is asked for where the API is.
        """
        _, own, below = path.partition(API)
        whole = str(httpx.URL(self.base).join(below if own else path))
        if _origin(whole) != _origin(self.base):
            raise NotGradequeue(f"{whole} is not at {self.base}; the token is not sent there.")
        return whole

    @staticmethod
    def _read(request: Request[T], answer: httpx.Response) -> T:
        check(answer)
        try:
            return request.read(answer)
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
            raise NotGradequeue(f"{answer.url}: the answer is none of a gradequeue: {error!r}") from error


class Client(_Sender):
    """Sends requests, one at a time for each thread; threads may share one."""

    def __init__(self, url: str, token: str, timeout: float = TIMEOUT) -> None:
        super().__init__(url, token, timeout)
        self._http = httpx.Client(**self._settings())

    def send(self, request: Request[T]) -> T:
        """Raises Unreachable, Busy, Refused, NotGradequeue."""
        whole = self._address(request.path)
        try:
            answer = self._http.request(request.method, whole, **self._form(request))
        except httpx.HTTPError as error:
            raise Unreachable(f"{self.base}: {error or type(error).__name__}") from error
        return self._read(request, answer)

    def close(self) -> None:
        """Closes the connections."""
        self._http.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


class AsyncClient(_Sender):
    """The same for asyncio (and trio)."""

    def __init__(self, url: str, token: str, timeout: float = TIMEOUT) -> None:
        super().__init__(url, token, timeout)
        self._http = httpx.AsyncClient(**self._settings())

    async def send(self, request: Request[T]) -> T:
        """Raises Unreachable, Busy, Refused, NotGradequeue."""
        whole = self._address(request.path)
        try:
            answer = await self._http.request(request.method, whole, **self._form(request))
        except httpx.HTTPError as error:
            raise Unreachable(f"{self.base}: {error or type(error).__name__}") from error
        return self._read(request, answer)

    async def close(self) -> None:
        """Closes the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.close()


def _encoded(body: Any) -> bytes:
    return json.dumps(body, ensure_ascii=True, allow_nan=False, separators=(",", ":")).encode()


def _origin(url: str) -> tuple[str, str, int | None]:
    parts = httpx.URL(url)
    return parts.scheme, parts.host, parts.port
