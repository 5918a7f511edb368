"""What hands events to the functions: the gateway, the queue, the table's stream and Invoke. In our own process."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from functions.finalizer.settings import STREAM_FILTERS as FINALIZER_FILTERS
from functions.journal.settings import STREAM_FILTERS as JOURNAL_FILTERS
from pressroom.local import functions
from pressroom.local.authorizer import Authorizer, fetch_keys
from pressroom.local.gateway import Gateway
from pressroom.local.invoke_endpoint import InvokeEndpoint
from pressroom.local.machines import Machines
from pressroom.local.queue_poller import QueuePoller
from pressroom.local.resources import Clients, ensure
from pressroom.local.stream_poller import StreamPoller
from pressroom.local.tokens import Tokens
from shared.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import ExitStack

    from pressroom.local.listener import Listener
    from pressroom.local.pool import Pool
    from pressroom.local.token_requests import TokenRequest

__all__ = ["GRACE_SECONDS", "Drivers"]

GRACE_SECONDS: Final = 2.0
"""How long events in hand may go on after the end was asked for."""


class Drivers:
    """All drivers of a runtime, on the resources of one stage.

    Attributes:
        resources: table, queues, topic and user pool, made where they were missing.
        tokens: signs users in.
        invoke_url: where a Lambda client finds the functions.
        clients: of the AWS endpoint.
    """

    def __init__(
        self,
        ends: ExitStack,
        pools: Mapping[str, Pool],
        *,
        aws_endpoint_url: str,
        claude_url: str | None,
        stage: str,
    ) -> None:
        """Makes the resources and the drivers; what must be ended goes on ``ends``.

        Raises:
            ServicesError: the endpoint cannot be used.
        """
        self._ends = ends
        self._pools = pools
        self.clients = clients = ends.enter_context(Clients(aws_endpoint_url))
        self.resources = ensure(clients, stage=stage)
        self.tokens = Tokens(
            clients.cognito, pool_id=self.resources.user_pool_id, client_id=self.resources.user_pool_client_id
        )
        self._gateway = self._make_gateway(aws_endpoint_url, claude_url)
        self._endpoint = InvokeEndpoint(pools)
        ends.callback(self._endpoint.close)
        self.invoke_url = self._endpoint.url
        self._queue = QueuePoller(
            clients.sqs,
            queue_url=self.resources.queue_url,
            queue_arn=self.resources.queue_arn,
            invoke=pools[functions.PROCESSOR.name].invoke,
            concurrency=functions.QUEUE_CONCURRENCY,
        )
        ends.callback(self._queue.close)
        self._streams = [
            StreamPoller(
                clients.streams,
                stream_arn=self.resources.stream_arn,
                filters=filters,
                invoke=pools[function.name].invoke,
                batch_size=batch_size,
            )
            for function, filters, batch_size in (
                (functions.FINALIZER, FINALIZER_FILTERS, 10),
                (functions.JOURNAL, JOURNAL_FILTERS, 100),
            )
        ]
        for stream in self._streams:
            ends.callback(stream.close)

    def start(self, listener: Listener) -> None:
        """Begins to drive; ``listener`` begins to answer."""
        self._ends.callback(self._stop, listener)
        for driver in (self._endpoint, self._queue):
            driver.start()
        for stream in self._streams:
            stream.start()
        listener.start(self._gateway.answer)

    def _stop(self, listener: Listener) -> None:
        """The beginning of the end: nothing new comes in, and what is in hand has a short grace."""
        for stream in self._streams:
            stream.stop()
        for driver in (listener, self._queue, self._endpoint):
            driver.stop()
        end = time.monotonic() + GRACE_SECONDS
        for pool in self._pools.values():
            pool.close(grace_seconds=max(0.0, end - time.monotonic()))

    def _make_gateway(self, aws_endpoint_url: str, claude_url: str | None) -> Gateway:
        resources = self.resources
        keys_url = f"{aws_endpoint_url}/{resources.user_pool_id}/.well-known/jwks.json"
        machines = Machines(
            self.clients.cognito, pool_id=resources.user_pool_id, token_url=f"{aws_endpoint_url}/oauth2/token"
        )
        authorizer = Authorizer(
            lambda: fetch_keys(keys_url),
            issuer=resources.issuer,
            is_client=lambda client_id: client_id == resources.user_pool_client_id or machines.knows(client_id),
        )

        def token(request: TokenRequest) -> str:
            if request.scopes is None:
                return self.tokens.token(request.name)
            return machines.token(request.name, request.scopes)

        return Gateway(
            self._pools[functions.API.name].invoke,
            claims=authorizer.claims,
            token=token,
            claude_url=claude_url,
            clock=SystemClock(),
        )
