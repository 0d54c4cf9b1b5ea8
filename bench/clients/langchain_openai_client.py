"""langchain-openai: invoke, stream, tools, structured output, the Responses API."""

from importlib.metadata import version

from checks import API_KEY, BASE_URL, MODEL, WEATHER, check, finish
from langchain_openai import ChatOpenAI
from pydantic import BaseModel


class Weather(BaseModel):
    """The weather in a city."""

    city: str
    degrees: int


chat = ChatOpenAI(base_url=BASE_URL, api_key=API_KEY, model=MODEL)
structured = {
    method: chat.with_structured_output(Weather, method=method) for method in ("json_schema", "function_calling")
}
check("invoke", lambda: chat.invoke("hello").content, "hello")
check("stream", lambda: "".join(chunk.content for chunk in chat.stream("a b c")), "a b c ")
check("batch", lambda: [m.content for m in chat.batch(["one", "two", "three"])], ["one", "two", "three"])
check("tools", lambda: chat.bind_tools([WEATHER]).invoke("tools").tool_calls[0]["args"], {"city": "Oslo"})
for method, model in structured.items():
    check(method, lambda model=model: model.invoke("weather?"), Weather(city="Oslo", degrees=3))
responses = ChatOpenAI(base_url=BASE_URL, api_key=API_KEY, model=MODEL, use_responses_api=True)
check("Responses API", lambda: responses.invoke("respond").text, "respond")
check(
    "Responses API, stream", lambda: "".join(chunk.text for chunk in responses.stream("in pieces")).strip(), "in pieces"
)
finish(f"langchain-openai {version('langchain-openai')}")
