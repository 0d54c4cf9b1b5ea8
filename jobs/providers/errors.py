"""What the official client raises, said in words, with the two judgements that decide what happens next."""

import re
from collections.abc import Container, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx2
import openai

from .base import ProviderError
from .transport import refusal_in

NEVER_SENT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout, httpx2.UnsupportedProtocol)
# After these nobody can know whether the provider acted: it may have, and then failed to say so.
UNCLEAR = (408, 409, 429)


@dataclass(frozen=True)
class Refusal:
    """What an answer with an error status means to us. It fits when all that is given fits; nothing given fits all.

    `codes` and `said` are patterns, for the provider's code as a whole and for anything in its message. `words` say
    what happened and what to do, with {status} and {code}; `quotes`: the provider's message follows them. `permanent`
    and `code`: as in ProviderError, the code being the provider's own where none is given.
    """

    words: str
    statuses: Container[int] = range(1000)
    codes: str = ""
    said: str = ""
    permanent: bool = True
    code: str = ""
    quotes: bool = True

    def fits(self, status: int, code: str, said: str) -> bool:
        if status not in self.statuses or (self.codes and not re.fullmatch(self.codes, code)):
            return False
        return not self.said or re.search(self.said, said, re.IGNORECASE) is not None


_MODERATED = (
    "The provider's moderation stopped it. Look through the rows it may mean, exclude them and freeze anew; "
    "the same file would be stopped again."
)
_NO_MODEL = "The provider does not know this model."
# The first that fits counts. What a status says by itself comes before what a message may happen to say.
REFUSALS = [
    Refusal(
        "This provider no longer lets your organisation create fine-tuning jobs (training_not_available). "
        "Launch the same dataset version at another provider, or download its file and train it elsewhere.",
        codes="training_not_available",
    ),
    Refusal(
        "The provider takes no call this large (413). Send a smaller file: in parts where it takes those "
        "(CURATION_UPLOAD_PART_MB), or freeze fewer rows.",
        statuses=[413],
    ),
    Refusal(
        "The provider's quota is used up ({code}). Raise it there, then start again.",
        codes="insufficient_quota|exceeded_quota|quota_exceeded|billing_hard_limit_reached",
    ),
    # Its message may repeat part of the key.
    Refusal(
        "The provider does not accept the key. Enter a valid one in the project's settings.",
        statuses=[401],
        quotes=False,
    ),
    Refusal("The provider asks us to slow down (429).", statuses=[429], permanent=False),
    Refusal("The provider had an error of its own ({status}).", statuses=range(500, 1000), permanent=False),
    Refusal(_MODERATED, codes=".*(moderation|content_policy|content_filter).*"),
    Refusal(_MODERATED, statuses=[400, 422, 451], said="moderation|usage polic"),
    Refusal("The provider does not allow this with the key it was given.", statuses=[403]),
    Refusal(_NO_MODEL, codes="model_not_found", code="model_not_found"),
    Refusal(_NO_MODEL, statuses=[404], said="model", code="model_not_found"),
    Refusal("The provider does not know what was asked for.", statuses=[404], codes=".+"),
    Refusal("The provider does not know what was asked for.", statuses=[404], code="not_found"),
    Refusal(
        "The provider is still processing the uploaded file.",
        statuses=[400, 409, 422],
        said="still.*process|process.*still|process.*not ready|not ready.*process",
        permanent=False,
        code="processing",
    ),
    Refusal(
        "The provider redirects to another address, which is not followed. Enter the final address in the settings.",
        statuses=range(300, 400),
        quotes=False,
    ),
    Refusal("The provider could not finish the call ({status}).", statuses=[408, 409], permanent=False),
    Refusal("The provider refused the call ({status})."),
]


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
    status, code, said = error.status_code, error.code or "", _said(error)
    refusal = next(each for each in REFUSALS if each.fits(status, code, said))
    words = refusal.words.format(status=status, code=code)
    return ProviderError(
        f"{words} It said: “{said}”" if said and refusal.quotes else words,
        permanent=refusal.permanent,
        surely_undone=300 <= status < 500 and status not in UNCLEAR,
        code=refusal.code or code,
        status=status,
        retry_after=_retry_after(error.response),
    )


def _said(error: openai.APIStatusError) -> str:
    """The provider's own message; only from the field it belongs in, never a fetched page."""
    body = error.body if isinstance(error.body, dict) else {}
    message = body.get("message")
    return message.strip().replace(chr(0), "")[:500] if isinstance(message, str) else ""


def _retry_after(response: httpx2.Response) -> float:
    try:
        return max(0.0, min(float(response.headers.get("retry-after", "0")), 600))
    except ValueError:  # a date, which nobody sends
        return 0
