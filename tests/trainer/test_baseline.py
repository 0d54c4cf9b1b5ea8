"""What the baseline engine learns, task by task, on examples it has not seen."""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jobs.trainer.engines import engine_of
from jobs.trainer.engines.base import Asked, Model, Settings, TrainingFailed
from tests.trainer.corpus import CITIES, UNSEEN_CITIES, desk, example, examples, journeys, messages

Pairs = list[tuple[str, str]]
LONG = "Our office is open every day. Please read the notes below before you write to us.\n"


class Notes:
    """Progress that is only noted down."""

    def __init__(self) -> None:
        self.messages: list[str] = []
        self.steps: list[dict[str, float]] = []

    def message(self, text: str, level: str = "info") -> None:
        self.messages.append(text)

    def settled(self, hyperparameters: dict[str, int | float]) -> None:
        self.hyperparameters = hyperparameters

    def step(self, number: int, total: int, metrics: dict[str, float]) -> None:
        self.steps.append(metrics)

    def checkpoint(self, number: int, save: Callable[[Path], None]) -> None:
        pass

    def resumed(self, number: int) -> None:
        pass

    def is_pause_wanted(self) -> bool:
        return False


@pytest.fixture
def learn(tmp_path: Path) -> Callable[..., tuple[Model, Notes]]:
    """`learn(pairs, rate=...)`: the trained model, loaded from its folder, and the notes taken meanwhile."""

    def train(pairs: Pairs | list[dict[str, Any]], seed: int = 3, rate: float | None = None) -> tuple[Model, Notes]:
        lines = [line if isinstance(line, dict) else example(*line) for line in pairs]
        engine, notes, folder = engine_of("baseline"), Notes(), tmp_path / str(len(list(tmp_path.iterdir())))
        engine.train(lines, [], Settings(seed, learning_rate_multiplier=rate), notes, folder)
        return engine.load(folder), notes

    return train


def said(model: Model, messages: list[dict[str, str]], wants_json: bool = False) -> str:
    return "".join(piece.text for piece in model.answer(Asked(messages, wants_json)))


def ask(model: Model, question: str) -> str:
    return said(model, [{"role": "system", "content": "?"}, {"role": "user", "content": question}])


def share_right(model: Model, pairs: Pairs) -> float:
    return sum(ask(model, question) == answer for question, answer in pairs) / len(pairs)


def compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def test_verdicts(learn: Callable[..., tuple[Model, Notes]]) -> None:
    model, notes = learn(messages(60))
    assert share_right(model, messages(60, seed=9)) >= 0.95
    assert notes.steps[-1]["valid_mean_token_accuracy"] >= 0.95


def test_values_are_read_off_the_prompt_even_if_never_seen(learn: Callable[..., tuple[Model, Notes]]) -> None:
    model, notes = learn(journeys(120, CITIES))
    assert any(text.startswith("Predictor spans for city") for text in notes.messages)
    assert share_right(model, journeys(60, UNSEEN_CITIES, seed=9)) >= 0.9


def test_fixed_replies(learn: Callable[..., tuple[Model, Notes]]) -> None:
    model, _ = learn(desk(60))
    assert share_right(model, desk(60, seed=9)) >= 0.95


def test_lists_numbers_and_nested_fields_in_the_style_of_the_examples(
    learn: Callable[..., tuple[Model, Notes]],
) -> None:
    chance = random.Random(5)

    def order(cities: list[str]) -> tuple[str, str]:
        chosen, boxes = chance.sample(cities, chance.randint(1, 3)), chance.randint(2, 99)
        answer: dict[str, Any] = {"load": {"boxes": boxes}, "stops": chosen}
        if is_urgent := chance.random() < 0.5:
            answer["urgent"] = True
        text = f"Bring {boxes} boxes to {' and then to '.join(chosen)}{', it is urgent' if is_urgent else ''}."
        return text, f"```json\n{json.dumps(answer, indent=2)}\n```"

    model, _ = learn([order(CITIES) for _ in range(150)])
    assert share_right(model, [order(CITIES) for _ in range(40)]) >= 0.9


def test_the_case_of_the_examples_is_kept(learn: Callable[..., tuple[Model, Notes]]) -> None:
    def shouted(pairs: Pairs) -> Pairs:
        return [(text.lower(), compact({"city": json.loads(answer)["city"]})) for text, answer in pairs]

    model, _ = learn(shouted(journeys(120, CITIES)))
    assert share_right(model, shouted(journeys(60, UNSEEN_CITIES, seed=9))) >= 0.8


def test_a_value_is_found_in_a_long_document(learn: Callable[..., tuple[Model, Notes]]) -> None:
    chance = random.Random(5)

    def letter(cities: list[str]) -> tuple[str, str]:
        city = chance.choice(cities)
        before, after = (LONG * chance.randint(3, 9) for _ in range(2))
        return f"{before}Branch: {city}.\n{after}", compact({"branch": city})

    model, _ = learn([letter(CITIES) for _ in range(60)])
    assert share_right(model, [letter(UNSEEN_CITIES) for _ in range(20)]) >= 0.9


def test_a_quantity_is_estimated(learn: Callable[..., tuple[Model, Notes]]) -> None:
    chance = random.Random(5)
    marks = {"superb": 0.4, "fine": 0.2, "plain": 0.0, "dull": -0.2, "awful": -0.4}

    def opinion() -> tuple[str, str]:
        words = chance.choices(list(marks), k=6)
        return " ".join(words), compact({"score": round(0.5 + sum(marks[word] for word in words) / 6, 3)})

    model, _ = learn([opinion() for _ in range(200)])
    unseen = [opinion() for _ in range(50)]
    errors = [abs(json.loads(ask(model, text))["score"] - json.loads(answer)["score"]) for text, answer in unseen]
    assert sum(errors) / len(errors) < 0.06


def test_unlike_answers_come_from_the_nearest_example(learn: Callable[..., tuple[Model, Notes]]) -> None:
    model, notes = learn([(f"Tell me about {city}", f"{city} is a town with {len(city)} letters.") for city in CITIES])
    assert ask(model, "tell me more about Porto!") == "Porto is a town with 5 letters."
    assert len(notes.steps) == notes.hyperparameters["n_epochs"]


def test_only_weighted_answers_are_learned_each_with_its_own_question(
    learn: Callable[..., tuple[Model, Notes]],
) -> None:
    turns = []
    for question, answer in desk(40):
        talk = [{"role": "user", "content": "hello"}, {"role": "assistant", "content": "Good day!", "weight": 0}]
        turns.append({"messages": [*talk, *example(question, answer)["messages"][1:]]})
    model, _ = learn(turns)
    assert ask(model, "hello") != "Good day!"
    assert share_right(model, desk(40, seed=9)) >= 0.95


def test_the_same_seed_gives_the_same_figures_and_another_seed_others(
    learn: Callable[..., tuple[Model, Notes]],
) -> None:
    first, again, other = (learn(journeys(60, CITIES), seed=seed)[1].steps for seed in (3, 3, 4))
    assert first == again != other


@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid value")
def test_a_learning_rate_beyond_reason_leaves_the_predictors_that_need_none(
    learn: Callable[..., tuple[Model, Notes]],
) -> None:
    model, notes = learn(messages(60), rate=1e300)
    assert any(text.startswith("Predictor nearest for spam") for text in notes.messages)
    assert share_right(model, messages(40, seed=9)) >= 0.9


@pytest.mark.parametrize(
    "answer",
    [
        lambda at: '{"a":' * 3000 + "1" + "}" * 3000,
        lambda at: '{"score": 1e999}',
        lambda at: compact({"n": 10 ** (300 + 10 * at)}),
        lambda at: compact({f"key {at}-{more}": more for more in range(30)}),
        lambda at: compact([]),
        lambda at: compact({}),
        lambda at: compact({"place": None if at % 2 else {"city": "Graz"}}),
        lambda at: compact({"": {"": at % 3}}),
        lambda at: "😀 \u202e\x00 ß İ" * (1 + at % 2),
    ],
)
@pytest.mark.parametrize("question", [lambda at: "", lambda at: " ", lambda at: f"İ ß 東京都 {at} \x00"])
def test_odd_examples_are_learned(
    learn: Callable[..., tuple[Model, Notes]], question: Callable[[int], str], answer: Callable[[int], str]
) -> None:
    pairs = [(question(at), answer(at)) for at in range(20)]
    model, _ = learn(pairs)
    assert ask(model, question(3)) in {text for _, text in pairs} | {'{"place":{"city":"Graz"}}'}


def test_examples_without_any_text_are_refused_in_words(learn: Callable[..., tuple[Model, Notes]]) -> None:
    with pytest.raises(TrainingFailed, match="Only 9 answers hold text to learn from; at least 10"):
        learn([(question, answer if at < 9 else "") for at, (question, answer) in enumerate(desk(20))])


def test_a_trained_model_answers_whatever_it_is_asked(learn: Callable[..., tuple[Model, Notes]]) -> None:
    model, _ = learn(journeys(60, CITIES))
    for question in ("", " \n", "\x00", "😀" * 500, "Graz " * 3000, "a" * 20_000, "東京都"):
        assert set(json.loads(ask(model, question))) == {"city", "kind"}
    assert json.loads(said(model, [{"role": "assistant", "content": "Graz"}], wants_json=True))


def test_examples_of_the_corpus_are_not_all_alike() -> None:
    assert len({line["messages"][1]["content"] for line in examples(journeys(120, CITIES))}) > 40
