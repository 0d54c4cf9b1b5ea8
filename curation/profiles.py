"""What is known of the services that train and answer: models, limits, prices, days on which something ends.

Pure; the facts are data, one file each in `provider_profiles/`, with the day they were read and where. A fact nobody
had a source for is absent, never guessed. `generic.toml` holds what the protocol itself says; each file names only
what differs.
"""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from datetime import date
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

from .pricing import TOKEN_LIMIT, Price

FOLDER = Path(__file__).with_name("provider_profiles")
GENERIC, LOCAL, OPENAI = "generic", "local-trainer", "openai"


@dataclass(frozen=True)
class Range:
    """What a hyperparameter may be. `least` itself is allowed unless `is_above`; `choices` are words instead."""

    label: str
    least: float = 0
    most: float | None = None
    is_whole: bool = False
    is_above: bool = False
    choices: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        if self.choices:
            return ", ".join(self.choices)
        kind = "a whole number" if self.is_whole else "a number"
        least = f"above {self.least:g}" if self.is_above else f"from {self.least:g}"
        return f"{kind} {least}" + (f" to {self.most:g}" if self.most is not None else "")

    def takes(self, value: float) -> bool:
        if self.is_whole and value != int(value):
            return False
        enough = value > self.least if self.is_above else value >= self.least
        return enough and (self.most is None or value <= self.most)


@dataclass(frozen=True)
class BaseModel:
    """A model, or a family of them by a pattern: how it can be tuned, what that costs, and until when it answers."""

    pattern: str
    methods: tuple[str, ...] = ()
    is_alias: bool = False
    example_tokens: int | None = None
    price: Price | None = None
    ends_on: date | None = None
    successor: str = ""


@dataclass(frozen=True)
class Profile:
    """One kind of service. A number that is None is not known, or has no limit."""

    key: str
    name: str
    read_on: date
    source: str
    hosts: tuple[str, ...] = ()
    address: str = ""
    remark: str = ""
    # False where jobs are made by other calls than OpenAI's: it still answers, and takes a file in that format.
    has_jobs: bool = True
    export_format: str = "openai-chat"
    fine_tuning_closes: date | None = None
    methods: Mapping[str, Mapping[str, Range]] = field(default_factory=dict)
    pauses: tuple[str, ...] = ()
    example_least: int = 10
    example_most: int | None = None
    file_bytes: int | None = None
    suffix_most: int = 64
    suffix_pattern: str = ""
    hosting_per_hour: float | None = None
    models: tuple[BaseModel, ...] = ()

    def model(self, name: str) -> BaseModel | None:
        """The first that fits; an alias stands before the pattern it would fit as well."""
        return next((model for model in self.models if fnmatchcase(name, model.pattern)), None)

    def price_of(self, name: str) -> Price | None:
        model = self.model(base_of(name))
        return model.price if model else None

    def ends_on(self, name: str) -> date | None:
        """The day on which the model goes, a tuned one with its base; None when that is not known."""
        model = self.model(base_of(name))
        return model.ends_on if model else None


def base_of(name: str) -> str:
    """The base that a tuned model's name tells, as in ft:BASE:…; another name is its own."""
    kind, _, rest = name.partition(":")
    return rest.partition(":")[0] if kind == "ft" and rest else name


def token_limit(model: str) -> int:
    """How many tokens of an example the model reads; the usual limit where it is not known."""
    known = profile_named(OPENAI).model(base_of(model))
    return (known and known.example_tokens) or TOKEN_LIMIT


@cache
def profiles() -> dict[str, Profile]:
    """All of them by key, the generic one first and the others by name."""
    read = {path.stem: tomllib.loads(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*.toml"))}
    generic = read.pop(GENERIC)
    made = [_profile(key, generic | facts, generic) for key, facts in read.items()]
    made.sort(key=lambda profile: profile.name.lower())
    return {profile.key: profile for profile in [_profile(GENERIC, generic, generic), *made]}


def profile_named(key: str) -> Profile:
    """By its key; the generic one where a file was taken away."""
    return profiles().get(key) or profiles()[GENERIC]


def recognised(host: str) -> Profile:
    """The profile of a service by its host's name, where one is known, else the generic one."""
    host = host.lower()
    known = (profile for profile in profiles().values() if any(fnmatchcase(host, each) for each in profile.hosts))
    return next(known, profiles()[GENERIC])


def _profile(key: str, facts: dict[str, Any], generic: dict[str, Any]) -> Profile:
    known = {each.name for each in fields(Profile)} - {"methods", "models"}
    return Profile(
        key=key,
        methods={name: _ranges(generic["methods"][name]) for name in facts["offers"]},
        models=tuple(_model(entry, facts) for entry in facts.get("model", [])),
        **{name: _frozen(value) for name, value in facts.items() if name in known},
    )


def _ranges(limits: dict[str, Any]) -> dict[str, Range]:
    return {name: Range(**_tuples(limit)) for name, limit in limits.items()}


def _model(entry: dict[str, Any], facts: dict[str, Any]) -> BaseModel:
    own = dict(entry)
    money = {name: own.pop(name) for name in ("train", "train_hour", "input", "cached", "output") if name in own}
    price = Price(**money, source=facts["source"], read_on=facts["read_on"]) if money else None
    return BaseModel(**_tuples(own), price=price)


def _tuples(values: dict[str, Any]) -> dict[str, Any]:
    return {name: _frozen(value) for name, value in values.items()}


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def choices(keys: Iterable[str] | None = None) -> list[tuple[str, str]]:
    """For a form: key and name."""
    return [(key, profile.name) for key, profile in profiles().items() if keys is None or key in keys]
