"""A TCP proxy that loses answers: the request arrives, the server does its work, and the connection ends."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from contextlib import suppress
from random import Random

CHUNK = 65536


class Proxy:
    """One listening port per grader, each with its own seeded draws; all in one thread."""

    def __init__(self, targets: list[int], seed: int, share: float) -> None:
        self.targets = targets
        """Ports of servers, one of which each connection leads to; may be changed at any time."""
        self.seed = seed
        self.share = share
        """How many of the answers are lost, 0 to 1; may be changed at any time."""
        self.faults: Counter[str] = Counter()
        self.servers: list[asyncio.Server] = []
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()

    def port_for(self, name: str) -> int:
        """A new port that leads to the server."""
        return asyncio.run_coroutine_threadsafe(self._listen(name), self.loop).result(10)

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self.loop).result(10)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)
        self.loop.close()

    async def _end(self) -> None:
        for server in self.servers:
            server.close()
        carried = asyncio.all_tasks() - {asyncio.current_task()}
        for task in carried:
            task.cancel()
        await asyncio.gather(*carried, return_exceptions=True)

    async def _listen(self, name: str) -> int:
        draw = Random(f"{self.seed}/proxy/{name}")
        server = await asyncio.start_server(lambda r, w: self._carry(draw, r, w), "127.0.0.1", 0)
        self.servers.append(server)
        return int(server.sockets[0].getsockname()[1])

    async def _carry(self, draw: Random, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            up_reader, up_writer = await asyncio.open_connection("127.0.0.1", draw.choice(self.targets))
        except OSError:  # the server is down just now
            writer.close()
            return
        forth = asyncio.create_task(_copy(reader, up_writer))
        back = asyncio.create_task(self._answers(draw, up_reader, writer))
        try:
            await asyncio.wait({forth, back}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (forth, back):
                task.cancel()
            up_writer.close()
            writer.close()

    async def _answers(self, draw: Random, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(CHUNK):
                fate = draw.random()
                if fate < self.share:
                    self.faults["drop an answer"] += 1
                    return
                if fate < self.share * 1.3:
                    self.faults["cut an answer in two"] += 1
                    writer.write(data[: len(data) // 2])
                    await writer.drain()
                    return
                writer.write(data)
                await writer.drain()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(CHUNK):
            writer.write(data)
            await writer.drain()
