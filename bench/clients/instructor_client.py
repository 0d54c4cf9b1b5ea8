"""instructor: an object by tools, by JSON, by JSON schema; partial objects from a stream."""

from importlib.metadata import version

import instructor
import openai
from checks import API_KEY, BASE_URL, MODEL, asked, check, finish
from pydantic import BaseModel


class Weather(BaseModel):
    city: str
    degrees: int


def client(mode: instructor.Mode) -> instructor.Instructor:
    return instructor.from_openai(openai.OpenAI(base_url=BASE_URL, api_key=API_KEY), mode=mode)


OSLO = {"city": "Oslo", "degrees": 3}
WANTED = {"model": MODEL, "messages": asked("weather?"), "response_model": Weather}
for mode in (instructor.Mode.TOOLS, instructor.Mode.JSON, instructor.Mode.JSON_SCHEMA):
    check(mode.name, lambda mode=mode: client(mode).chat.completions.create(**WANTED).model_dump(), OSLO)
partial = client(instructor.Mode.TOOLS).chat.completions.create_partial
check("partial, from a stream", lambda: list(partial(**WANTED))[-1].model_dump(), OSLO)
finish(f"instructor {version('instructor')}")
