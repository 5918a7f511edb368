"""HTTP on loopback: what a request becomes, and what an answer becomes."""

from __future__ import annotations

import http.client
import json
import socket
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import pytest

from pressroom.local.errors import PortTakenError
from pressroom.local.listener import HOST, MAX_BODY_BYTES, Listener, Request, Response

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def describe(request: Request) -> Response:
    body = {
        "method": request.method,
        "path": request.path,
        "query": request.query,
        "length": len(request.body),
        "refused": request.refused,
        "accept": request.header("ACCEPT"),
    }
    return Response(200, json.dumps(body).encode(), (("X-Own", "1"),))


@contextmanager
def connection_to(app: Callable[[Request], Response] = describe) -> Iterator[http.client.HTTPConnection]:
    with closing(Listener()) as listener:
        listener.start(app)
        with closing(http.client.HTTPConnection(HOST, listener.port, timeout=5)) as connection:
            yield connection


def test_request_arrives_whole_when_it_has_path_query_headers_and_body() -> None:
    with connection_to() as connection:
        connection.putrequest("PUT", "/v1/a%2Fb?x=1&x=%202")
        connection.putheader("Accept", "a")
        connection.putheader("accept", "b")
        connection.putheader("Content-Length", "3")
        connection.endheaders(b"abc")
        answer = connection.getresponse()

        assert json.load(answer) == {
            "method": "PUT",
            "path": "/v1/a%2Fb",
            "query": "x=1&x=%202",
            "length": 3,
            "refused": None,
            "accept": "a,b",
        }
        assert (answer.status, answer.getheader("X-Own")) == (200, "1")


def test_connection_is_kept_when_several_requests_follow_each_other() -> None:
    with connection_to() as connection:
        connection.request("GET", "/1")
        connection.getresponse().read()
        socket_of_first = connection.sock
        connection.request("POST", "/2", body=b"abc")
        connection.getresponse().read()

        assert connection.sock is socket_of_first


def test_body_is_read_when_it_comes_in_chunks() -> None:
    with connection_to() as connection:
        connection.request("POST", "/", body=iter([b"abc", b"defg"]), encode_chunked=True)

        assert json.load(connection.getresponse())["length"] == 7


@pytest.mark.acceptance(8)
@pytest.mark.parametrize("chunked", [False, True])
def test_app_hears_of_a_refusal_when_the_body_is_larger_than_the_gateway_takes(*, chunked: bool) -> None:
    body = b"x" * (MAX_BODY_BYTES + 1)
    with connection_to() as connection:
        if chunked:
            connection.request("POST", "/", body=iter([body[:5_000_000], body[5_000_000:]]), encode_chunked=True)
        else:
            connection.request("POST", "/", body=body)
        answer = connection.getresponse()

        assert json.load(answer) == {
            "method": "POST",
            "path": "/",
            "query": "",
            "length": 0,
            "refused": 413,
            "accept": None,
        }
        assert answer.getheader("Connection") == "close"


@pytest.mark.parametrize("length", ["-1", "many", "1e3"])
def test_app_hears_of_a_refusal_when_the_length_is_nonsense(length: str) -> None:
    with connection_to() as connection:
        connection.putrequest("POST", "/")
        connection.putheader("Content-Length", length)
        connection.endheaders()

        assert json.load(connection.getresponse())["refused"] == 400


def test_answer_has_no_body_when_it_may_not_have_one() -> None:
    def app(request: Request) -> Response:
        return Response(304 if request.path == "/304" else 200, b"body", (("ETag", '"1"'),))

    with connection_to(app) as connection:
        connection.request("GET", "/304")
        not_modified = connection.getresponse()
        assert (not_modified.status, not_modified.read(), not_modified.getheader("ETag")) == (304, b"", '"1"')
        connection.request("HEAD", "/")
        head = connection.getresponse()
        assert (head.status, head.read(), head.getheader("Content-Length")) == (200, b"", "4")
        connection.request("GET", "/")
        assert connection.getresponse().read() == b"body"


def test_port_taken_is_told_when_somebody_listens_there() -> None:
    with closing(Listener()) as first, pytest.raises(PortTakenError, match=str(first.port)):
        Listener(port=first.port)


def test_port_is_free_again_when_the_listener_is_closed() -> None:
    with closing(Listener()) as first:
        port = first.port

    with closing(Listener(port=port)) as second:
        assert second.url == f"http://127.0.0.1:{port}"


def test_listener_is_on_loopback_only() -> None:
    with closing(Listener()) as listener:
        assert listener._server.socket.getsockname()[0] == "127.0.0.1"
        with socket.socket() as other:
            other.bind(("127.0.0.2", listener.port))  # would be taken, had we bound every address
