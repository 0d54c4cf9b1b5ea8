"""LiteLLM as a library: whole, stream, async, tools, text completion, embedding."""

import asyncio
import os
from importlib.metadata import version

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # or it asks another host when it is imported

import litellm
from checks import API_KEY, BASE_URL, MODEL, WEATHER, asked, check, finish

litellm.telemetry = False
COMMON = {"api_base": BASE_URL, "api_key": API_KEY}


def chat(text: str, **options):
    return litellm.completion(model=f"openai/{MODEL}", messages=asked(text), **COMMON, **options)


async def asynchronously() -> str:
    answer = await litellm.acompletion(model=f"openai/{MODEL}", messages=asked("async"), **COMMON)
    return answer.choices[0].message.content


def streamed() -> str:
    return "".join(chunk.choices[0].delta.content or "" for chunk in chat("a b c", stream=True))


check("completion", lambda: chat("hello").choices[0].message.content, "hello")
check("stream", streamed, "a b c ")
check("acompletion", lambda: asyncio.run(asynchronously()), "async")
check("tools", lambda: chat("tools", tools=[WEATHER]).choices[0].message.tool_calls[0].function.name, "get_weather")
check("n = 2", lambda: [choice.message.content for choice in chat("two", n=2).choices], ["two", "two 1"])
text = {"model": f"text-completion-openai/{MODEL}", "prompt": "legacy"}
check("text_completion", lambda: litellm.text_completion(**text, **COMMON).choices[0].text, "legacy")
response = {"model": f"openai/{MODEL}", "input": "respond"}
check("responses", lambda: litellm.responses(**response, **COMMON).output[0].content[0].text, "respond")
embed = {"model": "openai/e-1", "input": ["e"], "encoding_format": "float"}
check("embedding", lambda: litellm.embedding(**embed, **COMMON).data[0]["embedding"], [0.25, 0.5])
finish(f"litellm {version('litellm')}")
