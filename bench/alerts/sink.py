"""A webhook receiver in a process of its own that notes when which alert arrived.

`python -m bench.alerts.sink DELAY_S` prints its port; `GET /` answers what arrived as JSON: pairs
of Unix seconds and the incident's id.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

GOT: list[tuple[float, str]] = []


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay: float) -> None:
    try:
        while head := await reader.readuntil(b"\r\n\r\n"):
            at = time.time()
            length = _length(head)
            body = await reader.readexactly(length)
            if head.startswith(b"GET"):
                await _answer(writer, json.dumps(GOT).encode())
                continue
            for alert in json.loads(body)["alerts"]:
                name = json.loads(body).get("incident", {}).get("id")
                GOT.append((at, name or alert["labels"]["incident"]))
            await asyncio.sleep(delay)
            await _answer(writer, b"ok")
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


async def _answer(writer: asyncio.StreamWriter, body: bytes) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    await writer.drain()


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        if line.lower().startswith(b"content-length:"):
            return int(line.split(b":")[1])
    return 0


async def main(delay: float) -> None:
    server = await asyncio.start_server(lambda r, w: serve(r, w, delay), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(float(sys.argv[1])))
