"""What a provider stored of calls made with `store=true`: a page of answers, and what was asked for each of them."""

from collections.abc import Iterator
from typing import Any

from curation.chat import ChatError, clean_value

from .models import Import
from .past_calls import PastCall, past_call
from .past_rows import PastRow
from .providers.base import ProviderError
from .providers.openai import Service

PAGE = 20


def pages(upload: Import) -> Iterator[list[PastRow]]:
    """The stored completions behind the one the import has reached. Raises ProviderError and SealedKeyUnreadable."""
    provider = upload.provider
    assert provider
    after, number = upload.cursor, upload.line_number
    with Service(provider.url, provider.open_key(), provider.reach) as service:
        while found := service.stored_completions(after, upload.model, PAGE):
            yield [_row(service, number + place, completion) for place, completion in enumerate(found, start=1)]
            number += len(found)
            if found[-1].get("id") == after:  # a server that knows no pages says the same for ever
                return
            after = str(found[-1].get("id") or "")
            if not after:
                return


def _row(service: Service, number: int, completion: dict[str, Any]) -> PastRow:
    identity = str(completion.get("id") or "")[:200]
    try:
        return PastRow(number, identity, _call(completion, service.stored_messages(identity)))
    except ChatError as error:
        return PastRow(number, identity, None, str(error))
    except ProviderError as error:
        if error.status != 404:
            raise
        return PastRow(number, identity, None, "The provider does not have its messages any more.")


def _call(completion: dict[str, Any], messages: list[dict[str, Any]]) -> PastCall:
    if not messages:
        raise ChatError("The provider has no messages of this completion.")
    request = {"model": completion.get("model"), "messages": [_message(message) for message in messages]}
    kept = {
        key: completion[key] for key in ("metadata", "tools", "tool_choice", "response_format") if completion.get(key)
    }
    return past_call({"request": request | kept, "response": completion})


def _message(stored: dict[str, Any]) -> dict[str, Any]:
    """A message as it was sent: parts that are no text stand apart in the store."""
    message = {key: value for key, value in stored.items() if key not in ("id", "content_parts") and value is not None}
    if parts := stored.get("content_parts"):
        message["content"] = parts
    cleaned: dict[str, Any] = clean_value(message)[0]
    return cleaned
