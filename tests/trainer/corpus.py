"""Small sets of chat examples, written for these tests."""

import json
import random
from typing import Any

NAMES = ["Ada", "Ben", "Cleo", "Dan", "Eva", "Finn", "Gus", "Hana", "Ida", "Jon"]
SPAM = [
    "WIN a free {prize} now, text CLAIM to {number}!",
    "Congratulations! Your number was drawn: {prize} waiting. Call {number} now",
    "URGENT: cheap {prize} offer ends tonight, reply STOP to {number}",
]
HAM = [
    "Hi {name}, shall we meet for lunch at {hour}?",
    "{name} says the train is late, I will be home by {hour}",
    "Thanks {name}! See you tomorrow around {hour} then",
]
PRIZES = ["phone", "cruise", "voucher", "ringtone", "holiday", "cash prize"]
CITIES = ["Lund", "Graz", "Nantes", "Porto", "Split", "Turku", "Ghent", "Bergen", "Lugano", "Sopot", "Cork", "Bari"]
UNSEEN_CITIES = ["Malmo", "Linz", "Rouen", "Faro", "Zadar", "Oulu"]
QUESTIONS = [
    "What will the weather be in {city} tomorrow?",
    "Find me a table for two in {city} please",
    "how far is it to {city} by train",
    "Is there snow in {city} today?",
]
REPLIES = {
    "Your suitcase is traced at the baggage desk.": [
        "my {bag} did not arrive",
        "where is my lost {bag}",
        "{bag} missing",
    ],
    "A boarding pass is printed at the kiosk.": [
        "print my boarding pass",
        "where do i check in",
        "boarding pass for {bag}",
    ],
}
BAGS = ["bag", "suitcase", "luggage", "backpack", "trunk"]


def example(question: str, answer: str, system: str = "Answer as trained.") -> dict[str, Any]:
    """One line of a training file."""
    return {
        "messages": [
            {"role": "system", "content": system},
            {"role": "user", "content": question},
            {"role": "assistant", "content": answer},
        ]
    }


def jsonl(examples: list[dict[str, Any]]) -> bytes:
    """A training file."""
    return "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in examples).encode()


def messages(count: int, seed: int = 1) -> list[tuple[str, str]]:
    """Half of them spam, with a JSON verdict for each."""
    chance, pairs = random.Random(seed), []
    for at in range(count):
        words = {
            "name": chance.choice(NAMES),
            "hour": f"{chance.randint(1, 12)} pm",
            "prize": chance.choice(PRIZES),
            "number": chance.randint(10_000, 99_999),
        }
        text = chance.choice(SPAM if at % 2 else HAM).format(**words)
        pairs.append((text, json.dumps({"spam": at % 2, "toxic": 0})))
    return pairs


def journeys(count: int, cities: list[str], seed: int = 1) -> list[tuple[str, str]]:
    """Questions with a city in them, and some without, answered as compact JSON."""
    chance, pairs = random.Random(seed), []
    for at in range(count):
        if at % 5 == 4:
            pairs.append((f"What is the time, {chance.choice(NAMES)}?", '{"city":null,"kind":"other"}'))
            continue
        city = chance.choice(cities)
        text = chance.choice(QUESTIONS).format(city=city)
        pairs.append((text, json.dumps({"city": city, "kind": "place"}, separators=(",", ":"))))
    return pairs


def desk(count: int, seed: int = 1) -> list[tuple[str, str]]:
    """Travellers' questions with one of two fixed replies."""
    chance, pairs = random.Random(seed), []
    for at in range(count):
        reply = list(REPLIES)[at % 2]
        pairs.append((chance.choice(REPLIES[reply]).format(bag=chance.choice(BAGS)), reply))
    return pairs


def examples(pairs: list[tuple[str, str]]) -> list[dict[str, Any]]:
    """Lines of a training file for question-answer pairs."""
    return [example(question, answer) for question, answer in pairs]
