"""A TCP proxy that makes a line slow, lossy or dead, at a moment that is told by the bytes that pass."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random
from typing import Any, TypeVar

CHUNK = 65536
# What a lost packet costs a TCP connection: it is sent again after a while (seconds).
RETRANSMISSION = (0.2, 1.0)
T = TypeVar("T")


@dataclass
class Line:
    """From one listening port to one target. All but the target may be changed at any time."""

    target: tuple[str, int]
    port: int = 0
    delay: float = 0.0
    """Of each piece of data, each way (seconds)."""
    loss: float = 0.0
    """Which share of the pieces is lost once, and comes late."""
    dead: bool = False
    """Nothing passes; connections stay open, and new ones are taken and lead nowhere."""
    trigger: bytes = b""
    """The line dies when these bytes have been passed on towards the target: what they ask for is done, unanswered."""
    died: float = 0.0
    """When it last did (seconds of this machine's clock)."""
    carried: set[asyncio.Task[None]] = field(default_factory=set)
    server: asyncio.Server | None = None


class Proxy:
    """Any number of lines; all of them in one thread."""

    def __init__(self, seed: int) -> None:
        self.draw = Random(f"{seed}/ha-proxy")
        self.lines: list[Line] = []
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()

    def line(self, address: str, target: tuple[str, int]) -> Line:
        """A new line: `address` is where it listens, on a port of its own choice."""
        line = Line(target)
        self._do(self._listen(line, address))
        self.lines.append(line)
        return line

    def die(self, line: Line) -> None:
        """A partition: silence, both ways."""
        line.died, line.dead = time.time(), True

    def revive(self, line: Line, *, reset: bool = False) -> None:
        """What was sent meanwhile arrives, as after a short partition; or all connections are gone, as after a long."""
        line.dead = False
        if reset:
            self._do(self._reset(line))

    def close(self) -> None:
        for line in self.lines:
            assert line.server is not None
            line.dead = False
            self.loop.call_soon_threadsafe(line.server.close)
            self._do(self._reset(line))
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)
        self.loop.close()

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(30)

    async def _listen(self, line: Line, address: str) -> None:
        line.server = await asyncio.start_server(lambda r, w: self._carry(line, r, w), address, 0)
        line.port = line.server.sockets[0].getsockname()[1]

    async def _reset(self, line: Line) -> None:
        tasks = [task for task in line.carried if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _carry(self, line: Line, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        line.carried.add(task)
        try:
            await self._while_dead(line)
            with suppress(OSError):
                await self._both_ways(line, reader, writer)
        except asyncio.CancelledError:
            pass  # a reset; the task ends here
        finally:
            line.carried.discard(task)
            writer.close()

    async def _both_ways(self, line: Line, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up_reader, up_writer = await asyncio.open_connection(*line.target)
        ways = [
            asyncio.create_task(self._copy(line, reader, up_writer, towards_target=True)),
            asyncio.create_task(self._copy(line, up_reader, writer, towards_target=False)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            await self._while_dead(line)  # the end of a connection does not pass either
        finally:
            for way in ways:
                way.cancel()
            up_writer.close()

    async def _copy(
        self, line: Line, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, towards_target: bool
    ) -> None:
        with suppress(OSError):
            while data := await reader.read(CHUNK):
                await self._while_dead(line)
                await asyncio.sleep(line.delay + self._lateness(line))
                await self._while_dead(line)
                writer.write(data)
                await writer.drain()
                if towards_target and line.trigger and line.trigger in data:
                    line.trigger = b""
                    self.die(line)

    def _lateness(self, line: Line) -> float:
        return self.draw.uniform(*RETRANSMISSION) if line.loss and self.draw.random() < line.loss else 0.0

    async def _while_dead(self, line: Line) -> None:
        while line.dead:
            await asyncio.sleep(0.05)
