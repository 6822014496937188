"""What the environment keeps secret is written nowhere: a run with planted secrets, then every file is searched."""

import gzip
import json
import logging
import tempfile
from collections.abc import Iterator
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

pytest.importorskip("pyvo", reason="needs pyvo, of the extra 'fetch'")

from jpasbatch.cli import main
from jpasbatch.stages.fetch import service as service_module
from jpasbatch.storage.stores.opening import open_store
from jpasbatch.storage.stores.store import read_object
from tests.stages.fetch.replay import replay
from tests.stages.fetch.test_stage import LOGIN, SMALL, fetch

SECRETS = {
    "AWS_ACCESS_KEY_ID": "AKIAPLANTEDPLANTED01",
    "AWS_SECRET_ACCESS_KEY": "planted/secret/of/the/object/store/01",
    "AWS_SESSION_TOKEN": "planted-session-token-01",
    "JPASBATCH_FETCH_PASSWORD": "planted-password-01",
    "JPASBATCH_HOOK": "planted-address-01",
    "SMTP_PASSWORD": "planted-mail-password-01",
    "GITHUB_TOKEN": "ghp_planted01",
}
PRIVATE_KEY = "PRIVATE KEY-----"
NOTIFY = """
[notify]
webhook = "https://127.0.0.1:9/{secret}"
secret  = "JPASBATCH_HOOK"
"""
"""Nobody answers there: what goes wrong is told, and the address is not."""


@pytest.fixture
def planted(tmp_path, monkeypatch, unchanged_process) -> None:
    """Plant secrets in the environment; temporary files and those of a user's home lie in the folder of the test."""
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    for name in ("scratch", "home"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "scratch"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(service_module, "FIRST_POLL", 0.001)
    monkeypatch.setattr(service_module.Service, "_wait", lambda self, attempt: 0.0)


def texts_of(name: str, content: bytes) -> Iterator[bytes]:
    """Yield what a file says: its bytes, and what is compressed within."""
    yield content
    if name.endswith(".gz"):
        yield gzip.decompress(content)
    if name.endswith(".parquet"):
        table = pq.read_table(pa.BufferReader(content))
        yield repr(table.schema.metadata).encode()
        for field in table.schema:
            yield repr((field.name, field.metadata)).encode()
            if pa.types.is_string(field.type):
                yield "\n".join(set(table[field.name].drop_null().to_pylist())).encode()


def found_in(files: dict[str, bytes]) -> list[tuple[str, str]]:
    """Return where which secret stands."""
    wanted = SECRETS | {"a private key": PRIVATE_KEY}
    return [
        (name, what)
        for name, content in files.items()
        for text in texts_of(name, content)
        for what, secret in wanted.items()
        if secret.encode() in text
    ]


def test_the_search_finds_what_is_there(tmp_path):
    told = f"token {SECRETS['GITHUB_TOKEN']}"
    table = pa.table({"what": [told]}, metadata={"said": SECRETS["SMTP_PASSWORD"]})
    pq.write_table(table, tmp_path / "a.parquet", compression="zstd")
    (tmp_path / "b.log.gz").write_bytes(gzip.compress(told.encode()))
    (tmp_path / "key.pem").write_text("-----BEGIN PRIVATE KEY-----")
    found = found_in({path.name: path.read_bytes() for path in sorted(tmp_path.iterdir())})
    assert set(found) == {
        ("a.parquet", "SMTP_PASSWORD"),
        ("a.parquet", "GITHUB_TOKEN"),
        ("b.log.gz", "GITHUB_TOKEN"),
        ("key.pem", "a private key"),
    }


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.usefixtures("planted")
def test_secrets_are_written_nowhere(object_store_url, trained_copy, tmp_path, capfd, caplog, monkeypatch):
    caplog.set_level(
        logging.DEBUG, "jpasbatch"
    )  # of libraries nobody sees this level, and botocore tells it its keys
    job, where = str(trained_copy / "tiny.toml"), ["--output", str(trained_copy)]
    (fetched := tmp_path / "fetched").mkdir()
    with replay(password=SECRETS["JPASBATCH_FETCH_PASSWORD"]) as service:
        options = SMALL | {"more": LOGIN.format(service.address)}
        assert fetch(service, fetched, flags=["--verbose"], **options) == 0
        assert any(SECRETS["JPASBATCH_FETCH_PASSWORD"] in body for body in service.bodies)
        refusal = {"status": 403, "headers": {}, "body": f"not {SECRETS['JPASBATCH_FETCH_PASSWORD']}"}
        for path in (fetched / "run" / "work" / "fetch").glob("*/ledger/2406.*"):
            path.unlink()
        service.fail("submit", lambda answer: refusal, times=99)
        assert fetch(service, fetched, flags=["--verbose"], **options) != 0
    # two worker processes, which inherit the environment
    (tmp_path / "notify.toml").write_text(NOTIFY)
    told_to = ["--metrics", str(tmp_path / "metrics.prom"), "--notify", str(tmp_path / "notify.toml")]
    assert main(["run", job, *where, "--verbose", *told_to]) == 0
    assert list((trained_copy / "work" / "history").glob("*.notified.json"))
    location = f"s3://survey/{uuid4().hex}/sky"
    assert main(["replicate", job, location, *where, "--verbose"]) == 0
    assert main(["replicate", job, "s3://missing/sky", *where, "--verbose"]) == 2
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    assert main(["infer", job, *where, "--sky", "s3://elsewhere/sky", "--serial", "--verbose"]) != 0
    monkeypatch.setenv("AWS_ENDPOINT_URL", object_store_url)
    for verb in (
        ["update", job, "--dry-run", "--json"],
        ["status", job, "--json"],
        ["history", job, "--json"],
    ):
        assert main([*verb, *where]) == 0
    told = capfd.readouterr()
    store = open_store(location)
    published = store.keys()
    files = {
        "standard output": told.out.encode(),
        "standard error": told.err.encode(),
        "log": caplog.text.encode(),
        **{str(path): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()},
        **{f"store: {key}": read_object(store, key) for key in published},
    }
    assert len([name for name in files if name.startswith("store: ")]) > 10
    assert json.dumps(sorted(files)).count("history") > 0
    assert "jpasbatch" in caplog.text
    assert found_in(files) == []
