"""The whole circle, walked from outside: the official client, a browser's forms, commands, and every real process."""

import html
import itertools
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from openai import AuthenticationError, OpenAI

from tests.stack import PASSWORD, Person, Stack, running, wait_for

LONG_PROMPT = (
    "You sort messages to a parcel service. Read the customer's message and answer with a JSON object that has the two "
    'keys "topic" and "urgent" and nothing else. The topic is one of damage, delay, invoice, address. A message is '
    "urgent when the customer says that it cannot wait. Do not explain, do not greet, do not add keys."
)
SHORT_PROMPT = "Sort the parcel message into JSON."
SAID = {
    "damage": ["arrived broken", "has a crushed corner", "came with a torn box", "is leaking"],
    "delay": ["has not arrived", "is five days late", "is stuck in the depot", "should have been here on Monday"],
    "invoice": ["was billed twice", "has a wrong invoice", "was charged the wrong sum", "is missing from my bill"],
    "address": [
        "must go to another street",
        "was sent to my old flat",
        "needs a new address",
        "went to the wrong town",
    ],
}
THINGS = ["My parcel {n}", "Shipment {n}", "The box {n}", "Order {n} of my aunt", "Delivery {n}", "The crate {n}"]
HASTE = ["", ", and it cannot wait"]


def messages_of_customers() -> Iterator[tuple[str, dict[str, object]]]:
    """Distinct prompts, each with the answer a person of the parcel service would give."""
    for number, ((topic, words), thing, haste) in enumerate(itertools.product(SAID.items(), THINGS, HASTE)):
        said = words[number // 2 % len(words)]
        yield f"{thing.format(n=4700 + number)} {said}{haste}.", {"topic": topic, "urgent": bool(haste)}


CASES = dict(messages_of_customers())
NEW_CASES = {prompt.replace("parcel", "package"): answer for prompt, answer in CASES.items() if "parcel" in prompt}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running(tmp_path_factory.mktemp("loop")) as stack:
        yield stack


def status(stack: Stack) -> dict:
    return json.loads(stack.manage("status", "--json", "--project", "parcels"))


def ask(client: OpenAI, prompt: str, system: str = LONG_PROMPT) -> str:
    answer = client.chat.completions.create(
        model="parcels",
        messages=[{"role": "system", "content": system}, {"role": "user", "content": prompt}],
        response_format={"type": "json_object"},
    )
    return answer.choices[0].message.content or ""


def review_everything(person: Person) -> int:
    """Correct and include each waiting row, as a person would who knows the right answers."""
    decided = 0
    while True:
        person.open("/projects/parcels/review/")
        if "/include/" not in person.page:
            return decided
        # Not anywhere on the page: the prompts decided last stand beside the row.
        asked = html.unescape(person.page.split('class="turn asked"')[1].split("</pre>")[0])
        prompt = next(prompt for prompt in CASES | NEW_CASES if prompt in asked)
        person.submit("/include/", target=json.dumps((CASES | NEW_CASES)[prompt]))
        decided += 1


def held_out_shares(page: str, tuned_model: str) -> tuple[int, int]:
    """The percentages of right answers of base and tuned model, from the table of the evaluation page."""
    right = {}
    for row in page.split("<tr")[1:]:
        if found := re.search(r"([0-9]+)\s*%", row):
            right[tuned_model in row] = int(found[1])
    return right[False], right[True]


def test_a_prompt_goes_all_the_way_round(stack: Stack, tmp_path: Path) -> None:
    # A project and a key, as an operator makes them.
    # The split's key is given: of a few dozen cases, another draw could hold out all that say a thing in one way.
    settings = ["--training-prompt", SHORT_PROMPT, "--answer-format", "json", "--split-key", "the loop's own split"]
    stack.manage("create_project", "parcels", *settings)
    key = stack.manage("create_api_key", "parcels").split()[-1]
    client = OpenAI(base_url=f"{stack.url}/v1", api_key=key, max_retries=0)
    with pytest.raises(AuthenticationError):
        ask(OpenAI(base_url=f"{stack.url}/v1", api_key="cur-wrong", max_retries=0), "hello")

    # Captured: the application's calls, one streamed, one repeated in other letters.
    prompts = list(CASES)
    answers = {prompt: ask(client, prompt) for prompt in prompts[:-1]}
    stream = client.chat.completions.create(
        model="parcels",
        messages=[{"role": "system", "content": LONG_PROMPT}, {"role": "user", "content": prompts[-1]}],
        stream=True,
    )
    streamed = "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)
    ask(client, prompts[0].upper())
    seen = wait_for("every call in the table", lambda: ((s := status(stack))["calls"] == len(CASES) + 1 and s) or None)
    assert seen["exchanges"] == seen["pending"] == len(CASES)
    assert seen["serving"] == {"parcels": "baseline"}
    assert all(json.loads(answer) != CASES[prompt] for prompt, answer in answers.items()), "the base must not know"
    assert streamed

    # Reviewed: every row corrected and included in the browser.
    person = Person(stack.url)
    person.log_in("admin", PASSWORD)
    assert review_everything(person) == len(CASES)
    assert status(stack)["included"] == len(CASES)

    # Frozen: twice the same content is one version; the export has the short prompt and what people decided.
    person.open("/projects/parcels/datasets/")
    person.submit("/datasets/freeze/")
    assert stack.manage("freeze", "parcels").split()[-1] == "1"
    lines = {}
    for split in ("train", "test"):
        file = tmp_path / f"{split}.jsonl"
        stack.manage("export", "parcels", "--format", "openai-chat", "--split", split, "--output", str(file))
        lines[split] = [json.loads(line)["messages"] for line in file.read_text().splitlines()]
    for system, user, assistant in lines["train"] + lines["test"]:
        assert system == {"role": "system", "content": SHORT_PROMPT}
        assert json.loads(assistant["content"]) == CASES[user["content"]]
    assert len(lines["train"]) + len(lines["test"]) == len(CASES)
    assert not {line[1]["content"] for line in lines["train"]} & {line[1]["content"] for line in lines["test"]}

    # Fine-tuned by the real worker at the real trainer, then evaluated on the cases it has not seen.
    person.open("/projects/parcels/finetunes/new/?version=1")
    person.submit("/finetunes/new/")
    # The page names the checkpoints' models too, and for a moment them alone.
    tuned_model = r"ft:baseline:(?![\w.:-]*:ckpt-step-)[\w.:-]+"
    model = wait_for("the tuned model", lambda: re.search(tuned_model, person.open(person.path)))[0]
    evaluated = wait_for(
        "the evaluation", lambda: ((s := status(stack))["jobs"]["evaluations"].get("succeeded") and s) or None
    )
    assert evaluated["jobs"]["finetunes"] == {"succeeded": 1}
    person.open("/projects/parcels/evaluations/")
    person.open(re.findall(r'href="(/projects/parcels/evaluations/\d+/)"', person.page)[0])
    base, tuned = held_out_shares(person.page, model)
    assert base == 0
    assert tuned >= 60

    # Promoted: the next call with the alias is answered by the tuned model, from the short prompt.
    person.open("/projects/parcels/registry/")
    person.submit("/registry/promote/")
    assert status(stack)["serving"] == {"parcels": model}
    unseen = "The van 9001 arrived broken, and it cannot wait."
    assert json.loads(ask(client, unseen, SHORT_PROMPT)) == {"topic": "damage", "urgent": True}
    again = wait_for("the new call", lambda: ((s := status(stack))["exchanges"] == len(CASES) + 1 and s) or None)
    assert again["pending"] == 1

    # Rolled back with one button, and forward again.
    person.open("/projects/parcels/registry/")
    person.submit("/registry/roll-back/")
    assert status(stack)["serving"] == {"parcels": "baseline"}
    assert json.loads(ask(client, unseen, SHORT_PROMPT)) != {"topic": "damage", "urgent": True}


def test_enough_new_rows_set_off_a_retraining_by_themselves(stack: Stack) -> None:
    person = Person(stack.url)
    person.log_in("admin", PASSWORD)
    person.open("/projects/parcels/retraining/")
    person.submit("/retraining/save/", is_enabled="on", minimum_new_count="8", when_better="promote")
    key = stack.manage("create_api_key", "parcels").split()[-1]
    client = OpenAI(base_url=f"{stack.url}/v1", api_key=key, max_retries=0)
    before = status(stack)
    for prompt in NEW_CASES:
        ask(client, prompt)
    expected = before["exchanges"] + len(NEW_CASES)
    wait_for("the new calls", lambda: status(stack)["exchanges"] == expected or None)

    person.open("/projects/parcels/review/")
    unknown = "The van 9001 arrived broken, and it cannot wait."
    CASES[unknown] = {"topic": "damage", "urgent": True}
    assert review_everything(person) == len(NEW_CASES) + 1

    done = wait_for(
        "beat to notice and the run to end",
        lambda: ((s := status(stack))["jobs"]["retrainings"].get("succeeded") and s) or None,
        seconds=180,
    )
    assert done["versions"] == 2
    assert done["serving"]["parcels"].startswith("ft:baseline:")
    assert done["jobs"]["finetunes"] == {"succeeded": 2}
