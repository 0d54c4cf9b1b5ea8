"""A question to whatever model serves: by chat, by stream, by async. Wants CLIENT_MODEL and CLIENT_QUESTION."""

import asyncio
import os

import openai
from checks import API_KEY, BASE_URL, MODEL, asked, check, finish

client = openai.OpenAI(base_url=BASE_URL, api_key=API_KEY, timeout=30)
QUESTION = asked(os.environ["CLIENT_QUESTION"])


def streamed() -> str:
    stream = client.chat.completions.create(model=MODEL, messages=QUESTION, stream=True)
    return "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)


async def asynchronously() -> str:
    async with openai.AsyncOpenAI(base_url=BASE_URL, api_key=API_KEY) as other:
        answer = await other.chat.completions.create(model=MODEL, messages=QUESTION)
        return answer.choices[0].message.content


whole = client.chat.completions.create(model=MODEL, messages=QUESTION).choices[0].message.content
check("an answer", lambda: bool(whole))
check("stream", lambda: streamed().strip(), whole.strip())
check("async", lambda: asyncio.run(asynchronously()), whole)
finish(f"openai {openai.__version__}, {MODEL}")
