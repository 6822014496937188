"""A server on this machine that gives the recorded answers of a real TAP service, and fails when it is told to.

What it answers is in ``recorded.json`` byte for byte, but for its own address and the ids of jobs. Failures are put in
between: a test names which request fails, how often, and how. It ends with the block that opened it.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

from tests.stages.fetch.record import RECORDED

Answer = dict[str, Any]
COOKIE = "session=known"


@dataclass
class Fault:
    """What goes wrong: with which request, how often, and what is answered instead (None: the connection is closed)."""

    kind: str
    times: int
    change: Callable[[Answer], Answer | None]
    query: str = ""


@dataclass
class Replay:
    """The service: its jobs, and all that was asked of it."""

    recorded: dict[str, Any] = field(default_factory=lambda: json.loads(RECORDED.read_text(encoding="utf-8")))
    faults: list[Fault] = field(default_factory=list)
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    bodies: list[str] = field(default_factory=list)
    deleted: int = 0
    password: str = ""
    most: int = 0
    address: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def fail(
        self, kind: str, change: Callable[[Answer], Answer | None], times: int = 1, query: str = ""
    ) -> None:
        self.faults.append(Fault(kind, times, change, query))

    def answer(self, method: str, path: str, form: dict[str, str], cookie: str) -> Answer | None:
        with self.lock:
            if path == "/login":
                known = form.get("password") == self.password
                return {"status": 200, "headers": {"Set-Cookie": COOKIE} if known else {}, "body": "welcome"}
            if self.password and COOKIE not in cookie:
                return {"status": 401, "headers": {}, "body": "who are you?"}
            kind, query, answer = self._recorded(method, path, form)
            for fault in self.faults:
                if fault.kind == kind and fault.times > 0 and fault.query in query:
                    fault.times -= 1
                    if kind == "submit":  # it did not arrive
                        self.jobs.popitem()
                    return fault.change(answer)
            return answer

    def _recorded(self, method: str, path: str, form: dict[str, str]) -> tuple[str, str, Answer]:
        if "QUERY" in form:
            return "submit", form["QUERY"], self._submit(form)
        name = path.partition("/async/")[2].partition("/")[0]
        job = self.jobs.get(name)
        if job is None:
            return "unknown", "", self._named(self.recorded["unknown"], name)
        if method == "DELETE":
            self.deleted += 1
            del self.jobs[name]
            return "delete", job["query"], self._named(job["deleted"], name)
        if path.endswith("/phase"):
            job["step"] = 1
            return "start", job["query"], self._named(job["started"], name)
        if path.endswith("/results/result"):
            return "result", job["query"], self._named(job["result"], name)
        step, watched = job["step"], job["watched"]
        if step:
            job["step"] = min(step + 1, len(watched) - 1)
        return ("watch" if step else "look"), job["query"], self._named(watched[step], name)

    def _submit(self, form: dict[str, str]) -> Answer:
        self.asked.append(form["QUERY"])
        wanted = (form["QUERY"], int(form["MAXREC"]))
        found = [job for job in self.recorded["jobs"] if (job["query"], job["maxrec"]) == wanted]
        assert found, f"nobody recorded {wanted}"
        name = f"job{len(self.asked)}"
        self.jobs[name] = {**found[0], "step": 0}
        self.most = max(self.most, len(self.jobs))
        return self._named(found[0]["submitted"], name)

    def _named(self, answer: Answer, job: str) -> Answer:
        text = json.dumps(answer).replace("{JOB}", job).replace("{ORIGIN}", self.address)
        return json.loads(text)


@contextmanager
def replay(**options: Any) -> Iterator[Replay]:
    """Serve the recorded answers within the block."""
    service = Replay(**options)

    class Handler(BaseHTTPRequestHandler):
        def respond(self) -> None:
            sent = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
            service.bodies.append(sent)
            form = {name: values[0] for name, values in parse_qs(sent).items()}
            answer = service.answer(self.command, self.path, form, self.headers.get("Cookie", ""))
            if answer is None:
                self.close_connection = True
                return
            content = answer["body"].encode()
            self.send_response(answer["status"])
            for name, value in answer["headers"].items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(answer.get("claims", len(content))))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_DELETE = respond  # noqa: N815 - names that the library asks for

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    service.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield service
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
