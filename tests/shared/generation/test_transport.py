from __future__ import annotations

import ipaddress
import ssl
import time
from datetime import timedelta
from typing import TYPE_CHECKING

import httpx2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from shared.generation.transport import AbandonedError, DeadlineTransport, _proxy_for
from tests.shared.generation.scripted import scripted
from tests.support.clock import START

if TYPE_CHECKING:
    from pathlib import Path

SLOW = b"x" * 1_000


def send(url: str, *, seconds: float | None) -> httpx2.Response:
    transport = DeadlineTransport(httpx2.URL(url))
    with httpx2.Client(transport=transport, timeout=5) as client:
        if seconds is None:
            return client.post(url, content=b"{}")
        with transport.within(seconds):
            return client.post(url, content=b"{}")


def test_an_answer_in_time_arrives() -> None:
    with scripted(200, b"done") as server:
        assert send(server.url, seconds=5).content == b"done"


@pytest.mark.acceptance(20)
def test_a_trickling_body_ends_with_the_call_and_not_with_the_read() -> None:
    started = time.monotonic()
    with scripted(200, SLOW, seconds_a_byte=0.02) as server, pytest.raises(httpx2.TimeoutException):
        send(server.url, seconds=0.4)

    assert 0.3 < time.monotonic() - started < 2


def test_without_a_limit_only_the_clients_own_timeouts_hold() -> None:
    with scripted(200, b"slow", seconds_a_byte=0.05) as server:
        assert send(server.url, seconds=None).content == b"slow"


def test_a_limit_that_is_over_sends_nothing() -> None:
    with scripted(200, b"done") as server:
        with pytest.raises(httpx2.TimeoutException):
            send(server.url, seconds=0)
        assert server.requests == []


def test_a_limit_ends_with_its_block() -> None:
    with scripted(200, b"done") as server:
        transport = DeadlineTransport(httpx2.URL(server.url))
        with httpx2.Client(transport=transport, timeout=5) as client:
            with transport.within(0.01):
                pass
            time.sleep(0.02)
            assert client.post(server.url, content=b"").status_code == 200


def test_a_client_without_timeouts_is_still_limited() -> None:
    with scripted(200, SLOW, seconds_a_byte=0.02) as server:
        transport = DeadlineTransport(httpx2.URL(server.url))
        with (
            httpx2.Client(transport=transport, timeout=None) as client,
            transport.within(0.2),
            pytest.raises(httpx2.TimeoutException),
        ):
            client.post(server.url, content=b"")


@pytest.fixture
def tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """A server's context for 127.0.0.1, which this process trusts."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "loopback")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(START - timedelta(days=3_650))
        .not_valid_after(START + timedelta(days=36_500))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "loopback.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


def test_the_limit_holds_over_tls(tls: ssl.SSLContext) -> None:
    started = time.monotonic()
    with (
        scripted(200, SLOW, seconds_a_byte=0.02, tls=tls) as server,
        pytest.raises(httpx2.TimeoutException),
    ):
        send(server.url, seconds=0.5)

    assert 0.4 < time.monotonic() - started < 2
    assert server.requests


@pytest.mark.acceptance(26)
@pytest.mark.parametrize("seconds_a_byte", [0.02, 0.8])
def test_a_cancelled_call_ends_over_tls_between_bytes_too(tls: ssl.SSLContext, seconds_a_byte: float) -> None:
    started = time.monotonic()
    with scripted(200, SLOW, seconds_a_byte=seconds_a_byte, tls=tls) as server:
        transport = DeadlineTransport(httpx2.URL(server.url))
        with (
            httpx2.Client(transport=transport, timeout=20) as client,
            transport.within(20, lambda: time.monotonic() > started + 1),
            pytest.raises(AbandonedError),
        ):
            client.post(server.url, content=b"{}")

    assert 1 <= time.monotonic() - started < 2.5


def test_an_answer_whose_bytes_come_slower_than_the_slices_arrives_over_tls(tls: ssl.SSLContext) -> None:
    with scripted(200, b"ok", seconds_a_byte=0.7, tls=tls) as server:
        assert send(server.url, seconds=10).content == b"ok"


def test_a_cancellation_ends_with_its_block() -> None:
    with scripted(200, b"done") as server:
        transport = DeadlineTransport(httpx2.URL(server.url))
        with httpx2.Client(transport=transport, timeout=5) as client:
            with transport.within(5, lambda: True), pytest.raises(AbandonedError):
                client.post(server.url, content=b"")
            assert client.post(server.url, content=b"").content == b"done"


def test_a_clients_own_timeout_holds_though_reads_are_sliced() -> None:
    with scripted(200, SLOW, seconds_a_byte=3) as server:
        transport = DeadlineTransport(httpx2.URL(server.url))
        started = time.monotonic()
        with httpx2.Client(transport=transport, timeout=0.8) as client, pytest.raises(httpx2.ReadTimeout):
            client.post(server.url, content=b"")

    assert 0.7 < time.monotonic() - started < 2


def test_an_answer_over_tls_arrives(tls: ssl.SSLContext) -> None:
    with scripted(200, b"done", tls=tls) as server:
        assert send(server.url, seconds=5).content == b"done"


@pytest.mark.parametrize(
    ("environ", "url", "proxy"),
    [
        ({}, "https://api.example", None),
        ({"HTTPS_PROXY": "http://proxy.example:3128"}, "https://api.example", "http://proxy.example:3128"),
        ({"ALL_PROXY": "http://proxy.example:3128"}, "https://api.example", "http://proxy.example:3128"),
        ({"HTTPS_PROXY": "http://proxy.example:3128"}, "http://api.example", None),
        ({"HTTPS_PROXY": "http://p.example", "NO_PROXY": "api.example"}, "https://api.example", None),
    ],
)
def test_the_environments_proxy_is_used(
    environ: dict[str, str], url: str, proxy: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)

    assert _proxy_for(httpx2.URL(url)) == proxy


def test_a_call_through_a_proxy_is_limited_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    with scripted(200, SLOW, seconds_a_byte=0.02) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        with pytest.raises(httpx2.TimeoutException):
            send("http://claude.example/v1/messages", seconds=0.3)
        assert proxy.requests
