"""Decoding a JSON body, and telling the client what is wrong with it, the same in every dialect."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import msgspec

from pinflow.gateway.refusal import Reason, Refusal

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["decoded"]

T = TypeVar("T")


def decoded(decode: Callable[[bytes], T], body: bytes) -> T:
    """What `decode` makes of a body.

    Raises:
        Refusal: The body is not UTF-8, not JSON, or not of the shape.
    """
    try:
        if not body.isascii():
            body.decode()  # raw slices are not checked by the decoder
        return decode(body)
    except msgspec.ValidationError as error:
        message = str(error)
        malformed = message.startswith("Invalid base64")
        raise Refusal(Reason.MALFORMED if malformed else Reason.INVALID, message) from None
    except UnicodeDecodeError as error:
        raise Refusal(Reason.MALFORMED, f"the body is not UTF-8 (byte {error.start})") from None
    except msgspec.DecodeError as error:
        raise Refusal(Reason.MALFORMED, str(error)) from None
    except RecursionError:
        raise Refusal(Reason.MALFORMED, "the JSON is nested too deeply") from None
