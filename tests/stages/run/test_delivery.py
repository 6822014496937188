"""A notification on its way: to a command, and to a server on this machine that is trusted for the test."""

import json
import logging
import ssl
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address

import psutil
import pytest

from jpasbatch.job.notify import NotifyOptions
from jpasbatch.stages.run.delivery import DeliveryError, deliver

PAYLOAD = json.dumps({"text": "done"}).encode()


def command(code: str, *arguments: str, seconds: float = 20.0) -> NotifyOptions:
    return NotifyOptions(command=(sys.executable, "-S", "-c", code, *arguments), seconds=seconds)


def test_a_command_gets_the_payload_and_its_arguments_as_they_are(tmp_path):
    code = "import sys; open(sys.argv[1], 'wb').write(sys.stdin.buffer.read() + sys.argv[2].encode())"
    deliver(command(code, str(tmp_path / "told"), "; touch $HOME *"), PAYLOAD)
    assert (tmp_path / "told").read_bytes() == PAYLOAD + b"; touch $HOME *"


def test_what_a_command_prints_is_no_output_of_the_run(capfd):
    deliver(command("print('from the command')"), PAYLOAD)
    printed = capfd.readouterr()
    assert printed.out == ""
    assert printed.err == "from the command\n"


def test_a_command_that_does_not_read_is_fine():
    deliver(command("pass"), b"x" * 10_000_000)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (command("raise SystemExit(3)"), "ended with 3"),
        (NotifyOptions(command=("/no/such/program",)), "cannot be run"),
        (NotifyOptions(command=("/",)), "cannot be run"),
    ],
)
def test_a_command_that_fails(options, words):
    with pytest.raises(DeliveryError, match=words):
        deliver(options, PAYLOAD)


def test_a_command_that_takes_too_long_is_ended_with_all_that_it_started(tmp_path):
    code = (
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-S', '-c', 'import time; time.sleep(60)'])\n"
        "open(sys.argv[1], 'w').write(str(child.pid)); time.sleep(60)"
    )
    begun = time.monotonic()
    with pytest.raises(DeliveryError, match="longer than 1 s"):
        deliver(command(code, str(tmp_path / "pid"), seconds=1), PAYLOAD)
    assert time.monotonic() - begun < 10
    child = int((tmp_path / "pid").read_text())
    deadline = time.monotonic() + 5
    while psutil.pid_exists(child) and psutil.Process(child).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline
        time.sleep(0.02)


class Hook(BaseHTTPRequestHandler):
    """Takes what is posted to /hush, and is slow, wrong or elsewhere under other names."""

    def do_POST(self) -> None:
        path = self.path.partition("?")[0]
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.seen.append((path, self.headers["Content-Type"], body))
        if path == "/slow/hush":  # a byte now and then: no wait for one packet is long
            for _ in range(40):
                try:
                    self.wfile.write(b"H")
                except OSError:
                    return
                time.sleep(0.05)
        elif path == "/nonsense/hush":
            self.wfile.write(b"nonsense\r\n\r\n")
        elif path == "/elsewhere/hush":
            self.send_response(307)
            self.send_header("Location", "/hush")
            self.end_headers()
        else:
            self.send_response(204 if path == "/hush" else 500)
            self.end_headers()

    def log_message(self, *_: object) -> None: ...


def make_keys(folder) -> tuple[str, str]:
    """Write a certificate for 127.0.0.1, which signs itself, and its key."""
    from datetime import UTC, datetime, timedelta

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), False)
        .sign(key, hashes.SHA256())
    )
    (folder / "certificate.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    plain = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "key.pem").write_bytes(key.private_bytes(*plain))
    return str(folder / "certificate.pem"), str(folder / "key.pem")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """Serve on this machine, and yield the server; its certificate is ``certificate``."""
    certificate, key = make_keys(tmp_path_factory.mktemp("keys"))
    served = ThreadingHTTPServer(("127.0.0.1", 0), Hook)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    served.socket = context.wrap_socket(served.socket, server_side=True)
    served.seen, served.certificate = [], certificate
    served.handle_error = lambda *_: None  # who does not trust the certificate hangs up
    thread = threading.Thread(target=served.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield served
    served.shutdown()
    served.server_close()
    thread.join()


@pytest.fixture
def hook(server, monkeypatch):
    """Return what makes options for a path of the server, which is trusted."""
    monkeypatch.setenv("SSL_CERT_FILE", server.certificate)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server.seen.clear()

    def options(path: str, seconds: float = 20.0) -> NotifyOptions:
        return NotifyOptions(webhook=f"https://127.0.0.1:{server.server_address[1]}{path}", seconds=seconds)

    return options


def test_an_address_gets_the_payload(hook, server):
    deliver(hook("/hush"), PAYLOAD)
    assert server.seen == [("/hush", "application/json", PAYLOAD)]


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/wrong/hush", "answered 500 Internal Server Error"),
        ("/elsewhere/hush", "answered 307"),
        ("/nonsense/hush", "request failed"),
    ],
)
def test_an_address_that_does_not_take_it(hook, server, path, words, caplog):
    with caplog.at_level(logging.DEBUG), pytest.raises(DeliveryError, match=words) as refused:
        deliver(hook(path), PAYLOAD)
    assert [one[0] for one in server.seen] == [path]  # what leads elsewhere is not followed
    assert "hush" not in str(refused.value) + caplog.text


def test_an_address_that_is_slow_is_given_up(hook):
    begun = time.monotonic()
    with pytest.raises(DeliveryError, match=r"within 0\.3 s"):
        deliver(hook("/slow/hush", seconds=0.3), PAYLOAD)
    assert time.monotonic() - begun < 3


def test_a_certificate_that_nobody_vouches_for_is_refused(hook, server, monkeypatch):
    options = hook("/hush")
    monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises(DeliveryError, match="certificate"):
        deliver(options, PAYLOAD)
    assert server.seen == []


def test_nobody_at_the_address(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with pytest.raises(DeliveryError, match="cannot be reached"):
        deliver(NotifyOptions(webhook="https://127.0.0.1:9/hush"), PAYLOAD)


def test_a_secret_that_is_gone_since_the_start(monkeypatch):
    monkeypatch.delenv("HOOK", raising=False)
    with pytest.raises(DeliveryError, match="HOOK"):
        deliver(NotifyOptions(webhook="https://127.0.0.1:9/{secret}", secret="HOOK"), PAYLOAD)
