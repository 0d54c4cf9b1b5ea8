"""What the official client raises, said in words, with the two judgements that decide what happens next."""

from collections.abc import Iterator
from contextlib import contextmanager

import httpx2
import openai

from .base import ProviderError
from .transport import refusal_in

NEVER_SENT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout, httpx2.UnsupportedProtocol)
# After these nobody can know whether the provider acted: it may have, and then failed to say so.
UNCLEAR = (408, 409, 429)
QUOTA = ("insufficient_quota", "exceeded_quota", "billing_hard_limit_reached", "quota_exceeded")


@contextmanager
def in_words() -> Iterator[None]:
    """Turn whatever a call through the client raises into a ProviderError."""
    try:
        yield
    except openai.APIStatusError as error:
        raise _of_status(error) from error
    except openai.APITimeoutError as error:
        raise _of_connection(error, "The provider did not answer in time.") from error
    except openai.APIConnectionError as error:
        raise _of_connection(error, "The connection to the provider broke.") from error
    except (openai.OpenAIError, httpx2.InvalidURL, ValueError, RecursionError) as error:
        # A body that says it is JSON and is not, or is nested without end.
        raise not_json() from error


def not_json() -> ProviderError:
    return ProviderError(
        "The provider answered with something that is not of OpenAI's protocol. "
        "Check in the project's settings that its address is right; it usually ends in /v1.",
        permanent=False,
        code="not_json",
    )


def _of_connection(error: openai.APIConnectionError, words: str) -> ProviderError:
    if refusal := refusal_in(error):
        return ProviderError(
            f"{refusal} The provider's address is in the project's settings.",
            permanent=True,
            surely_undone=True,
            code="address_refused",
        )
    if isinstance(error.__cause__, NEVER_SENT):
        return ProviderError(
            "The provider cannot be reached. Check that it runs, and its address in the project's settings.",
            permanent=False,
            surely_undone=True,
            code="unreachable",
        )
    return ProviderError(words, permanent=False, code="connection")


def _of_status(error: openai.APIStatusError) -> ProviderError:
    status, code = error.status_code, error.code or ""
    said = _said(error)
    surely_undone = 300 <= status < 500 and status not in UNCLEAR

    def refused(words: str, *, permanent: bool = True, code: str = code) -> ProviderError:
        return ProviderError(
            words,
            permanent=permanent,
            surely_undone=surely_undone,
            code=code,
            status=status,
            retry_after=_retry_after(error.response),
        )

    if code == "training_not_available":
        return refused(
            "This provider no longer lets your organisation create fine-tuning jobs (training_not_available). "
            "Launch the same dataset version at another provider, or download its file and train it elsewhere." + said
        )
    if status == 413:
        return refused(
            "The provider takes no call this large (413). Send a smaller file: in parts where it takes those "
            "(CURATION_UPLOAD_PART_MB), or freeze fewer rows." + said
        )
    if "moderation" in code or "moderation" in said.lower() or "usage polic" in said.lower():
        return refused(
            "The provider's moderation stopped it. Look through the rows it may mean, exclude them and freeze anew; "
            "the same file would be stopped again." + said
        )
    if code in QUOTA:
        return refused(f"The provider's quota is used up ({code}). Raise it there, then start again." + said)
    if status == 401:  # its message may repeat part of the key
        return refused("The provider does not accept the key. Enter a valid one in the project's settings.")
    if status == 403:
        return refused("The provider does not allow this with the key it was given." + said)
    if code == "model_not_found" or (status == 404 and "model" in said.lower()):
        return refused("The provider does not know this model." + said, code="model_not_found")
    if status == 404:
        return refused("The provider does not know what was asked for." + said, code=code or "not_found")
    if status == 429:
        return refused("The provider asks us to slow down (429)." + said, permanent=False)
    if status in (400, 409, 422) and "process" in said and ("still" in said or "not ready" in said):
        return refused("The provider is still processing the uploaded file." + said, permanent=False, code="processing")
    if 300 <= status < 400:
        return refused(
            "The provider redirects to another address, which is not followed. Enter the final address in the settings."
        )
    if status in (408, 409):
        return refused(f"The provider could not finish the call ({status})." + said, permanent=False)
    if status >= 500:
        return refused(f"The provider had an error of its own ({status})." + said, permanent=False)
    return refused(f"The provider refused the call ({status})." + said)


def _said(error: openai.APIStatusError) -> str:
    """The provider's own message, quoted; only from the field it belongs in, never a fetched page."""
    body = error.body if isinstance(error.body, dict) else {}
    message = body.get("message")
    if not isinstance(message, str) or not message.strip():
        return ""
    return f" It said: “{message.strip().replace(chr(0), '')[:500]}”"


def _retry_after(response: httpx2.Response) -> float:
    try:
        return max(0.0, min(float(response.headers.get("retry-after", "0")), 600))
    except ValueError:  # a date, which nobody sends
        return 0
