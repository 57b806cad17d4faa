"""What strace saw a server do: was each 2xx preceded by the sync that covers its request?

The lines come from `strace -f -y -e trace=...`: `pid call(fd<what it is>, ...) = result`. A call
that another thread interrupts is told in two lines, `<unfinished ...>` and `<... resumed>`; it
began at the first and ended at the second.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

CALLS = "read,recvfrom,recvmsg,write,writev,sendto,sendmsg,fdatasync,fsync"

MARK = re.compile(r"mark-\d{6}-\d")
"""What a test writes into a request's headers and into the names it sends."""

NEVER = 1 << 62

_LINE = re.compile(r"(?:\[pid +)?(?P<pid>\d+)\]? +(?P<rest>.*)")
_CALL = re.compile(r"(?P<call>\w+)\((?P<fd>\d+)<(?P<what>[^>]*(?:>[^,)]*)?)>?(?P<rest>.*)", re.S)
_RESUMED = re.compile(r"<\.\.\. (?P<call>\w+) resumed>(?P<rest>.*)")
_RESULT = re.compile(r"= (?P<result>-?\d+)[^=]*$")


@dataclass(frozen=True, slots=True)
class Call:
    """One system call: `began` and `ended` are line numbers of the trace."""

    name: str
    fd: int
    what: str
    text: str
    result: int
    began: int
    ended: int

    @property
    def on_socket(self) -> bool:
        return self.what.startswith(("TCP", "socket"))

    @property
    def on_segment(self) -> bool:
        return ".open" in self.what


def calls(lines: Iterable[str]) -> Iterator[Call]:
    """Every traced call with a descriptor, in the order in which they ended."""
    open_: dict[str, tuple[int, str]] = {}
    for number, line in enumerate(lines):
        matched = _LINE.match(line)
        if matched is None:
            continue
        pid, rest = matched["pid"], matched["rest"].rstrip()
        began = number
        if rest.endswith("<unfinished ...>"):
            open_[pid] = (number, rest.removesuffix("<unfinished ...>"))
            continue
        if resumed := _RESUMED.match(rest):
            began, head = open_.pop(pid, (number, ""))
            rest = head + resumed["rest"]
        call, result = _CALL.match(rest), _RESULT.search(rest)
        if call is not None and result is not None:
            yield Call(
                call["call"], int(call["fd"]), call["what"], call["rest"],
                int(result["result"]), began, number,
            )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Answer:
    """A 2xx to the request that carried `mark`: written in line `said` of the trace."""

    mark: str
    said: int


def answers(traced: Iterable[Call]) -> list[Answer]:
    """Every 2xx to a marked request, matched with it by the connection's descriptor."""
    asked: dict[int, str] = {}
    found = []
    for call in traced:
        if not call.on_socket or call.result <= 0:
            continue
        if call.name in {"read", "recvfrom", "recvmsg"}:
            if marked := MARK.search(call.text):
                asked[call.fd] = marked[0]
        elif "HTTP/1.1 2" in call.text and call.fd in asked:
            found.append(Answer(asked.pop(call.fd), call.began))
    return found


def uncovered(traced: list[Call]) -> list[Answer]:
    """Answers given before the write that holds their mark and a sync after it had ended."""
    on_disk = [call for call in traced if call.on_segment]
    syncs = [call for call in on_disk if call.name in {"fdatasync", "fsync"} and call.result == 0]
    covered: dict[str, int] = {}
    for write in on_disk:
        if write.name in {"write", "writev"}:
            after = [s.ended for s in syncs if s.fd == write.fd and s.began > write.ended]
            for mark in MARK.findall(write.text):
                covered.setdefault(mark, min(after, default=NEVER))
    return [one for one in answers(traced) if one.said < covered.get(one.mark, NEVER)]
