"""Which key does what on the review screen. A person may bind each anew, or switch all single keys off."""

from typing import NamedTuple

from .models import User


class Verb(NamedTuple):
    key: str
    words: str


VERBS: dict[str, Verb] = {
    "include": Verb("i", "include, with the answer as shown, and go on"),
    "exclude": Verb("x", "exclude and go on"),
    "later": Verb("s", "later: put it off and go on; what you typed stays"),
    "edit": Verb("e", "edit the answer"),
    "repair": Verb("r", "say what is wrong, and have a model propose the correction"),
    "mend": Verb("f", "mend what the preflight finds in the answer, in the editor"),
    "second": Verb("g", "pass the row on for another person's opinion"),
    "undo": Verb("u", "undo your last verdict; again for the one before, as far back as you like"),
    "redo": Verb("U", "redo what you undid last"),
    "tag": Verb("t", "tag this row"),
    "must_pass": Verb("m", "mark the row as one that no model may get wrong, or take the mark off"),
    "next": Verb("j", "next row, without a verdict"),
    "previous": Verb("k", "the row you saw before"),
    "diff": Verb("d", "show what changed inline, side by side, or not at all"),
    "sheet": Verb("?", "these keys"),
}
REASON_KEYS = "123456789"


def bindings(user: User) -> dict[str, str]:
    """The key of each verb, "" where it has none."""
    if not user.has_single_keys:
        return dict.fromkeys(VERBS, "")
    own = user.review_keys
    return {name: own.get(name, verb.key) for name, verb in VERBS.items()}


def shown(key: str) -> str:
    """As a key cap: letters in capitals, and a capital with Shift."""
    if key.isalpha() and key.isupper():
        return f"Shift {key}"
    return key.upper()
