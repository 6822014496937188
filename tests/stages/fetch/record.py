"""Record the answers of GAVO DaCHS that the short tests replay: ``python -m tests.stages.fetch.record``.

A proxy stands between the package's own client and the service, and writes every answer down as it came. Nothing is
changed but the address of the service, which becomes ``{ORIGIN}``, and the ids of jobs, which become ``{JOB}``.
"""

from __future__ import annotations

import http.client
import json
import re
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import numpy as np

from jpasbatch.errors import InputError
from jpasbatch.job.fetch import FetchOptions
from jpasbatch.photometry.survey import load_survey
from jpasbatch.stages.fetch.failures import GoneError, TemporaryError
from jpasbatch.stages.fetch.queries import count_query, counts_query, filter_query, tile_query
from jpasbatch.stages.fetch.stage import open_service
from tests.stages.fetch.dachs import Server, dachs

RECORDED = Path(__file__).with_name("recorded.json")
KEPT_HEADERS = ("Content-Type", "Location")
TILES = (2241, 2243, 2406)
ROWS_OF_A_TILE = 4
COLUMNS = ("tile_id", "number", "alpha_j2000", "delta_j2000", "class_star", "morphology")
VECTORS = ("flux_aper_3_0", "flux_relerr_aper_3_0", "flags", "mask_flags")
OPTIONS = FetchOptions(
    "http://127.0.0.1/tap", "mock.objects", COLUMNS + VECTORS, order=("number",), filter_table="mock.filter"
)


def mock_rows(tiles: list[int], rows_of_a_tile: int) -> dict[str, np.ndarray]:
    """Return the columns of the mock tables: objects, and filters of miniJPAS."""
    rng = np.random.default_rng(16)
    rows = len(tiles) * rows_of_a_tile
    names = [band.name for band in load_survey("jpas60").bands]
    flags = np.zeros((rows, len(names)), dtype=np.int32)
    return {
        "tile_id": np.repeat(tiles, rows_of_a_tile),
        "number": np.tile(np.arange(1, rows_of_a_tile + 1), len(tiles)),
        "alpha_j2000": rng.uniform(213, 216, rows),
        "delta_j2000": rng.uniform(52, 54, rows),
        "class_star": rng.uniform(0, 1, rows).astype(np.float32),
        "morphology": np.array(["psf", "exp", "d\u00e9v"])[rng.integers(0, 3, rows)],
        "flux_aper_3_0": rng.lognormal(1, 1, (rows, len(names))).astype(np.float32),
        "flux_relerr_aper_3_0": rng.uniform(0.05, 0.2, (rows, len(names))).astype(np.float32),
        "flags": flags,
        "mask_flags": flags,
        "filter_id": np.arange(1, len(names) + 1),
        "filter_name": np.array(names),
    }


@contextmanager
def recording(server: Server) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Yield the address of a proxy before a service, and the exchanges that it saw."""
    exchanges: list[dict[str, Any]] = []
    target = f"127.0.0.1:{server.port}"

    class Proxy(BaseHTTPRequestHandler):
        def answer(self) -> None:
            sent = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            connection = http.client.HTTPConnection(target, timeout=60)
            passed = {k: v for k, v in self.headers.items() if k not in ("Host", "Accept-Encoding")}
            connection.request(self.command, self.path, sent, passed)
            response = connection.getresponse()
            body = response.read().decode()
            kept = {name: response.headers[name] for name in KEPT_HEADERS if name in response.headers}
            exchange = {
                "method": self.command,
                "path": self.path,
                "form": {k: v[0] for k, v in parse_qs(sent.decode()).items()},
                "status": response.status,
                "headers": {k: v.replace(f"http://{target}", "{ORIGIN}") for k, v in kept.items()},
                "body": body.replace(f"http://{target}", "{ORIGIN}"),
            }
            exchanges.append(exchange)
            here = f"http://127.0.0.1:{self.server.server_address[1]}"
            content = body.replace(f"http://{target}", here).encode()
            self.send_response(response.status)
            for name, value in kept.items():
                self.send_header(name, value.replace(f"http://{target}", here))
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_DELETE = answer  # noqa: N815 - names that the library asks for

        def log_message(self, *_: Any) -> None:
            pass

    proxy = ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    threading.Thread(target=proxy.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{proxy.server_address[1]}/tap", exchanges
    finally:
        proxy.shutdown()
        proxy.server_close()


def conversations(exchanges: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the exchanges by job."""
    jobs: list[dict[str, Any]] = []
    found: dict[str, dict[str, Any]] = {}
    unknown = None
    for one in exchanges:
        form, path = one["form"], one["path"]
        answer = {key: one[key] for key in ("status", "headers", "body")}
        if "QUERY" in form:
            job = one["headers"]["Location"].rpartition("/")[2]
            found[job] = {"query": form["QUERY"], "maxrec": int(form["MAXREC"]), "watched": []}
            jobs.append(found[job])
        else:
            job = re.search(r"/async/([^/]+)", path).group(1)
        answer = json.loads(json.dumps(answer).replace(job, "{JOB}"))
        if job not in found:
            unknown = answer
        elif "QUERY" in form:
            found[job]["submitted"] = answer
        elif one["method"] == "DELETE":
            found[job]["deleted"] = answer
        elif path.endswith("/phase"):
            found[job]["started"] = answer
        elif path.endswith("/results/result"):
            found[job]["result"] = answer
        elif found[job]["watched"][-1:] != [answer]:
            found[job]["watched"].append(answer)
    return {"jobs": jobs, "unknown": unknown}


def ask_everything(address: str, folder: Path) -> None:
    """Ask for all that the tests need."""
    options = replace(OPTIONS, service=address)
    service = open_service(replace(options, attempts=1), folder)
    queries = [(filter_query("mock.filter"), 10_000), (counts_query(options, None), 1_000_000)]
    queries += [(counts_query(options, TILES), 1_000_000), (counts_query(options, (2241,)), 1_000_000)]
    queries += [(counts_query(options, (9999,)), 1_000_000), (count_query(options, 2241), 2)]
    queries += [(tile_query(options, tile), ROWS_OF_A_TILE + 1) for tile in TILES]
    queries += [(tile_query(options, 2241), 1), (tile_query(options, 2241), 2)]
    fewer = replace(options, columns=("tile_id", "number"))
    queries += [(tile_query(fewer, tile), ROWS_OF_A_TILE + 1) for tile in TILES]
    queries += [(tile_query(fewer, 2241), 1)]
    queries += [(tile_query(replace(options, columns=("no_such_column",)), 2241), 1)]
    queries += [(counts_query(replace(options, table="mock.nothing"), None), 1_000_000)]
    for query, rows in queries:
        with suppress(InputError, TemporaryError):
            service.ask_once(query, rows, lambda answer: answer.rows)
    with suppress(GoneError):
        service.session.get(f"{address}/async/no_such_job")


def main() -> None:
    """Start the service, ask, and write the answers down."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        rows = mock_rows(list(TILES), ROWS_OF_A_TILE)
        with dachs(folder / "server", rows) as server, recording(server) as (address, exchanges):
            ask_everything(address, folder)
            content = conversations(exchanges)
    content = {"from": "GAVO DaCHS 2.7 (Debian 2.7+dfsg-2) on PostgreSQL 15 with pgsphere", **content}
    RECORDED.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
