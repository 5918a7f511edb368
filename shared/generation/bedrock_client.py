"""The SDK's client of Bedrock: signs every call by the function's role, and reads AWS's event stream.

Loaded only where Claude is called on Bedrock. It is the SDK that needs boto3 for this, at the first call; the Lambda
runtime brings it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx2
from anthropic import AnthropicBedrock

from shared.errors import ErrorCode, item_error
from shared.generation.streams import BrokenStreamError
from shared.generation.transport import AbandonedError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["SignedClaude"]


class SignedClaude(AnthropicBedrock):
    """Has no key. The credentials are whatever AWS's chain of providers finds: in a Lambda, its role's."""

    def _prepare_request(self, request: httpx2.Request) -> None:
        """Sign ``request``.

        Raises:
            ItemError: ``authentication``, there is nothing to sign it with.
        """
        try:
            super()._prepare_request(request)
        except Exception as error:
            # Whatever the chain of providers raises: its classes are botocore's, which this package does not know.
            raise item_error(
                ErrorCode.AUTHENTICATION, f"the call to Bedrock cannot be signed: {type(error).__name__}: {error}"
            ) from error

    def events(self, response: httpx2.Response) -> Iterator[str]:
        """The events of a streamed answer, each as JSON; an exception in the stream is an error event.

        Raises:
            BrokenStreamError: the stream is none of AWS's.
        """
        try:
            for event in self._make_sse_decoder().iter_bytes(response.iter_bytes()):
                yield event.data
        except (httpx2.HTTPError, AbandonedError):
            raise
        except Exception as error:
            # A frame's checksum, length or text is wrong; these classes are botocore's as well.
            raise BrokenStreamError(
                ErrorCode.NETWORK, f"Bedrock's event stream cannot be read: {type(error).__name__}: {error}"
            ) from error
