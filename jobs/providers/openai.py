"""Every outbound call of jobs, through the official client at whatever base_url a provider has.

The client's own retries are off: it repeats a POST that trains a model just as it repeats a GET. Repeating is the
business of the job's row. Redirects are not followed (they would carry the training data to another host) and proxy
settings of the machine are ignored.
"""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx2
import openai
from openai.pagination import SyncCursorPage
from openai.types import FileObject, Model, ModerationCreateResponse
from openai.types.chat import ChatCompletion, ChatCompletionStoreMessage
from openai.types.fine_tuning import FineTuningJob, FineTuningJobEvent
from openai.types.fine_tuning.jobs import FineTuningJobCheckpoint
from openai.types.webhooks import WebhookEndpointWithSecret

from curation.egress import Reach

from . import answers, sending, streaming
from .answers import checked, items
from .base import ProviderError, RemoteCheckpoint, RemoteEvent, RemoteFile, RemoteJob, RemoteModel, RemoteWebhook, Reply
from .errors import in_words, not_json
from .transport import CONNECT_SECONDS, READ_SECONDS, GuardedTransport

TIMEOUT = httpx2.Timeout(READ_SECONDS, connect=CONNECT_SECONDS)
PAGE = 100
GONE = 404
# Result files are tables of figures; what is larger is none.
MOST_RESULT_BYTES = 16 * 1024 * 1024


class Service:
    """One provider, open for calls; use it as a context manager. Every method raises ProviderError.

    `reach` says which addresses its name may have.

    Not bound to a thread: `chat` may be called from several at once.
    """

    def __init__(self, base_url: str, key: str, reach: Reach) -> None:
        self._client = openai.OpenAI(
            base_url=base_url,
            api_key=key or "none",  # the client insists on one; servers that want none ignore it
            max_retries=0,
            http_client=httpx2.Client(
                timeout=TIMEOUT, follow_redirects=False, trust_env=False, transport=GuardedTransport(reach)
            ),
            # A few kilobytes of gzip can unpack to gigabytes.
            default_headers={"Accept-Encoding": "identity"},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._client.close()

    # Files

    def find_file(self, name: str) -> RemoteFile | None:
        """The training file of that name, where the provider has one."""
        with in_words():
            page = self._client.files.list(purpose="fine-tune", limit=PAGE, order="desc")
            for item in items(page, FileObject):
                if item.filename == name:
                    return answers.file_of(item)
        return None

    def file(self, file_id: str) -> RemoteFile:
        with in_words():
            return answers.file_of(checked(self._client.files.retrieve(file_id), FileObject))

    def upload(
        self, name: str, path: Path, on_read: Callable[[], None], part_bytes: int = sending.PART_BYTES
    ) -> RemoteFile:
        """Send a file for training under that name. `on_read` is called as it is read, so that a lease can be kept."""
        return sending.send(self._client, name, path, on_read, part_bytes)

    def content(self, file_id: str) -> bytes:
        """What is in a result file; at most MOST_RESULT_BYTES of it."""
        with in_words(), self._client.files.with_streaming_response.content(file_id) as answer:
            pieces, size = [], 0
            for piece in answer.iter_bytes(1 << 16):
                pieces.append(piece)
                size += len(piece)
                if size > MOST_RESULT_BYTES:
                    break
            return b"".join(pieces)[:MOST_RESULT_BYTES]

    def remove_file(self, file_id: str) -> None:
        """Have the provider delete a file; one that is not there any more is deleted."""
        try:
            with in_words():
                self._client.files.delete(file_id)
        except ProviderError as error:
            if error.status != GONE:
                raise

    # Moderation

    def moderate(self, model: str, texts: Sequence[str]) -> list[list[str]]:
        """For each text the categories it is flagged for, an empty list where it is not."""
        with in_words():
            said = checked(self._client.moderations.create(model=model, input=list(texts)), ModerationCreateResponse)
            return answers.flags_of(said, len(texts))

    # Fine-tuning jobs

    def create_job(
        self,
        *,
        model: str,
        training_file: str,
        metadata: dict[str, str],
        validation_file: str = "",
        suffix: str = "",
        seed: int | None = None,
        method: Mapping[str, Any] | None = None,
        integrations: Sequence[Mapping[str, Any]] = (),
    ) -> RemoteJob:
        """Ask for a training job: the one call that costs money, sent once. `method` is as `methods.wire` makes it.
        After an error that is not `surely_undone`, look with `find_jobs` before anything else."""
        wishes: dict[str, Any] = {}
        if validation_file:
            wishes["validation_file"] = validation_file
        if suffix:
            wishes["suffix"] = suffix
        if seed is not None:
            wishes["seed"] = seed
        if method:
            wishes["method"] = method
        if integrations:
            wishes["integrations"] = list(integrations)
        with in_words():
            made = self._client.fine_tuning.jobs.create(
                model=model, training_file=training_file, metadata=metadata, **wishes
            )
            job = answers.job_of(checked(made, FineTuningJob))
            if not job.id:
                raise not_json()
            return job

    def job(self, job_id: str) -> RemoteJob:
        with in_words():
            return answers.job_of(checked(self._client.fine_tuning.jobs.retrieve(job_id), FineTuningJob))

    def find_jobs(self, key: str, value: str, training_file: str) -> list[RemoteJob]:
        """Jobs whose metadata says key = value, else those that train on that file; the oldest first.

        Servers may ignore the filter or lack it, and may not keep metadata at all: what they list is filtered here,
        and a job that names another value is never taken.
        """
        jobs = self._listed({key: value})
        ours = [job for job in jobs if job.metadata.get(key) == value]
        if not ours:
            jobs = self._listed(None)
            ours = [job for job in jobs if job.metadata.get(key) == value]
        if not ours and training_file:
            ours = [job for job in jobs if job.training_file == training_file and not job.metadata.get(key)]
        return sorted(ours, key=lambda job: (job.created_at, job.id))

    def _listed(self, metadata: dict[str, str] | None) -> list[RemoteJob]:
        try:
            with in_words():
                if metadata:
                    page = self._client.fine_tuning.jobs.list(limit=PAGE, metadata=metadata)
                else:
                    page = self._client.fine_tuning.jobs.list(limit=PAGE)
                return [answers.job_of(item) for item in items(page, FineTuningJob)]
        except ProviderError as error:
            if metadata and error.status in (400, 422):  # the filter is not understood; the whole list will do
                return []
            raise

    def events(self, job_id: str, known: Collection[str]) -> list[RemoteEvent]:
        """Events not known yet, the oldest first. Providers list the newest first."""
        new: list[RemoteEvent] = []
        with in_words():
            page = self._client.fine_tuning.jobs.list_events(job_id, limit=PAGE)
            for item in items(page, FineTuningJobEvent):
                if item.id in known:
                    break
                new.append(answers.event_of(item))
        new.reverse()
        # Many happen in one second: within it the provider's own order counts.
        return sorted(new, key=lambda event: event.created_at)

    def checkpoints(self, job_id: str) -> list[RemoteCheckpoint]:
        with in_words():
            page = self._client.fine_tuning.jobs.checkpoints.list(job_id, limit=PAGE)
            return [answers.checkpoint_of(item) for item in items(page, FineTuningJobCheckpoint)]

    def cancel(self, job_id: str) -> RemoteJob:
        with in_words():
            return answers.job_of(checked(self._client.fine_tuning.jobs.cancel(job_id), FineTuningJob))

    def pause(self, job_id: str) -> RemoteJob:
        with in_words():
            return answers.job_of(checked(self._client.fine_tuning.jobs.pause(job_id), FineTuningJob))

    def resume(self, job_id: str) -> RemoteJob:
        with in_words():
            return answers.job_of(checked(self._client.fine_tuning.jobs.resume(job_id), FineTuningJob))

    # Webhooks

    def register_webhook(self, url: str, name: str, event_types: Sequence[str]) -> RemoteWebhook:
        """Have messages of these events sent to `url`. Few services besides OpenAI can be asked to."""
        with in_words():
            made = self._client.webhooks.create(url=url, name=name, event_types=list(event_types))  # type: ignore[arg-type]
            endpoint = checked(made, WebhookEndpointWithSecret)
            webhook = RemoteWebhook(answers.text(endpoint.id), answers.text(endpoint.signing_secret))
            if not (webhook.id and webhook.secret):
                raise not_json()
            return webhook

    def drop_webhook(self, webhook_id: str) -> None:
        """Have no more messages sent there. One that stays does no harm: what it sends is taken once."""
        with suppress(ProviderError), in_words():
            self._client.webhooks.delete(webhook_id)

    # Models

    def model(self, name: str) -> RemoteModel:
        with in_words():
            found = checked(self._client.models.retrieve(name), Model)
            return RemoteModel(answers.text(found.id), answers.day_of(found.shutdown_date))

    def chat(
        self,
        model: str,
        messages: Sequence[Mapping[str, Any]],
        tools: Sequence[Any] = (),
        *,
        times_first_token: bool = False,
    ) -> Reply:
        """One answer, as steady as the model can: temperature 0 and tools where the model takes them. To time the first
        token it is streamed.
        """
        wishes: dict[str, Any] = {"temperature": 0} | ({"tools": list(tools)} if tools else {})
        if times_first_token:
            wishes["stream_options"] = {"include_usage": True}
        while True:
            try:
                if times_first_token:
                    with in_words():
                        return streaming.reply(self._client, model, messages, wishes)
                return self._chat(model, messages, wishes)
            except ProviderError as error:
                refused = [name for name in wishes if error.status == 400 and name in f"{error.code} {error}"]
                if not refused:
                    raise
                del wishes[refused[0]]

    def answer(self, body: bytes) -> bytes:
        """The answer to one chat request, both byte for byte as they go over the wire; for calls that are recorded."""
        with in_words():
            return self._client.post("/chat/completions", content=body, cast_to=httpx2.Response).content

    # Stored completions

    def stored_completions(self, after: str, model: str, limit: int) -> list[dict[str, Any]]:
        """A page of what the provider stored, the oldest first, as it tells it; what was asked is not in it."""
        wishes: dict[str, Any] = {"after": after} if after else {}
        if model:
            wishes["model"] = model
        with in_words():
            page = checked(self._client.chat.completions.list(limit=limit, order="asc", **wishes), SyncCursorPage)
            return [checked(item, ChatCompletion).to_dict() for item in page.data or ()]

    def stored_messages(self, completion_id: str) -> list[dict[str, Any]]:
        """What was asked for a stored completion."""
        with in_words():
            page = self._client.chat.completions.messages.list(completion_id, limit=PAGE)
            return [item.to_dict() for item in items(page, ChatCompletionStoreMessage)]

    def _chat(self, model: str, messages: Sequence[Mapping[str, Any]], settings: dict[str, Any]) -> Reply:
        started = time.perf_counter()
        with in_words():
            answered = self._client.chat.completions.create(model=model, messages=list(messages), **settings)  # type: ignore[arg-type]
            taken = (time.perf_counter() - started) * 1000
            return answers.reply_of(checked(answered, ChatCompletion), taken)
