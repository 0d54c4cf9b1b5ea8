"""openai-python: sync, async, streams, parse, raw headers, retries."""

import asyncio
import time

import openai
from checks import API_KEY, BASE_URL, MODEL, PICTURE, WEATHER, asked, check, finish
from pydantic import BaseModel

client = openai.OpenAI(base_url=BASE_URL, api_key=API_KEY, timeout=20)
RUN = str(time.time_ns())


class Weather(BaseModel):
    city: str
    degrees: int


def chat(text, **options):
    return client.chat.completions.create(model=MODEL, messages=asked(text), **options)


def joined(stream) -> str:
    return "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)


async def asynchronously() -> list[str]:
    async with openai.AsyncOpenAI(base_url=BASE_URL, api_key=API_KEY) as other:
        whole = await other.chat.completions.create(model=MODEL, messages=asked("async hello"))
        stream = await other.chat.completions.create(model=MODEL, messages=asked("async stream"), stream=True)
        pieces = [chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices]
        return [whole.choices[0].message.content, "".join(pieces)]


def raw_headers() -> list:
    answer = client.chat.completions.with_raw_response.create(model=MODEL, messages=asked("raw"))
    return [answer.headers["x-request-id"], answer.headers["x-ratelimit-remaining-requests"], answer.retries_taken]


def mid_stream() -> str:
    try:
        return joined(chat("error in mid-stream", stream=True))
    except openai.APIError as error:
        return f"{error.code}: {error.message}"


def refused() -> list:
    try:
        client.with_options(max_retries=0).chat.completions.create(model=MODEL, messages=asked(f"rate limit a{RUN}"))
    except openai.RateLimitError as error:
        return [error.code, error.request_id, error.response.headers["retry-after-ms"]]
    return []


def tool_stream() -> str:
    with client.chat.completions.stream(model=MODEL, messages=asked("tools"), tools=[WEATHER]) as stream:
        return stream.get_final_completion().choices[0].message.tool_calls[0].function.arguments


def response_stream() -> str:
    with client.responses.stream(model=MODEL, input="respond in a stream") as stream:
        return stream.get_final_response().output_text


parse = client.chat.completions.parse
parts = [{"type": "text", "text": "see"}, {"type": "image_url", "image_url": {"url": PICTURE}}]
check("chat", lambda: chat("hello").choices[0].message.content, "hello")
check("unicode", lambda: chat("שלום 🙂 é").choices[0].message.content, "שלום 🙂 é")
check("stream", lambda: joined(chat("a b c", stream=True)), "a b c ")
usage = {"stream": True, "stream_options": {"include_usage": True}}
check("stream with usage", lambda: [c.usage.total_tokens for c in chat("a", **usage) if c.usage], [10])
check("async, whole and stream", lambda: asyncio.run(asynchronously()), ["async hello", "async stream "])
check("tools", lambda: chat("tools", tools=[WEATHER]).choices[0].message.tool_calls[0].function.name, "get_weather")
check("tools in a stream", tool_stream, '{"city":"Oslo"}')
check("n = 2", lambda: [c.message.content for c in chat("two", n=2).choices], ["two", "two 1"])
check("logprobs", lambda: chat("p", logprobs=True).choices[0].logprobs.content[0].logprob, -0.5)
check("refusal", lambda: chat("refusal").choices[0].message.refusal, "I cannot help with that.")
check("picture", lambda: chat(parts).choices[0].message.content, f"see {PICTURE}")
check(
    "chat.completions.parse",
    lambda: parse(model=MODEL, messages=asked("parse"), response_format=Weather).choices[0].message.parsed,
    Weather(city="Oslo", degrees=3),
)
check("with_raw_response", raw_headers, ["req_42", "99", 0])
check("error in mid-stream", mid_stream, "overloaded: Overloaded.")
check("429 as it was sent", refused, ["rate_limit_exceeded", "req_42", "50"])
check("429 retried", lambda: chat(f"rate limit b{RUN}").choices[0].message.content, f"rate limit b{RUN}")
check("responses", lambda: client.responses.create(model=MODEL, input="respond").output_text, "respond")
check("responses.stream", response_stream, "respond in a stream")
check(
    "responses.parse",
    lambda: client.responses.parse(model=MODEL, input="weather?", text_format=Weather).output_parsed,
    Weather(city="Oslo", degrees=3),
)
check("completions", lambda: client.completions.create(model=MODEL, prompt="legacy").choices[0].text, "legacy")
embed = {"model": "e-1", "encoding_format": "float"}
check("embeddings", lambda: client.embeddings.create(input="e", **embed).data[0].embedding, [0.25, 0.5])
check("models", lambda: [model.id for model in client.models.list()], ["base-1"])
finish(f"openai {openai.__version__}")
