"""Whether a text is the beginning of a JSON object: letter by letter, so that a model can be kept from leaving it."""

from dataclasses import dataclass, replace

SPACE = " \t\n\r"
ESCAPED = '"\\/bfnrtu'
HEX = "0123456789abcdefABCDEF"
WORDS = ("true", "false", "null")
MOST_SPACE = 24  # a model that has nothing to say may go on indenting for ever


@dataclass(frozen=True)
class JsonPrefix:
    """The state after a text. `wants` is what may come: "value", "key", "colon", "comma", a part of a scalar, "end"."""

    wants: str = "value"
    open: str = ""  # the brackets that are open, the last one innermost
    word: str = ""  # what has been read of a string's escape, a number or a word
    in_key: bool = False
    may_close: bool = False  # an empty object or list, and never after a comma
    spaces: int = 0

    @property
    def is_complete(self) -> bool:
        """The text is a whole object."""
        return self.wants == "end"

    def after(self, text: str) -> "JsonPrefix | None":
        """The state after more text; None where that leaves JSON. Nothing but space may follow a whole object."""
        state: JsonPrefix | None = self
        for letter in text:
            if state is None:
                return None
            state = state._after(letter)
        return state

    def _after(self, letter: str) -> "JsonPrefix | None":
        if self.wants == "string":
            return self._in_string(letter)
        if self.wants in ("number", "word"):
            return self._in_scalar(letter)
        if letter in SPACE:
            return replace(self, spaces=self.spaces + 1) if self.spaces < MOST_SPACE else None
        state = replace(self, spaces=0)
        if self.wants == "value":
            return state._begin_value(letter)
        if self.wants == "key":
            if letter == '"':
                return replace(state, wants="string", word="", in_key=True)
            return state._close(letter) if self.may_close else None
        if self.wants == "colon":
            return replace(state, wants="value", may_close=False) if letter == ":" else None
        if self.wants == "comma":
            if letter == ",":
                return replace(state, wants="key" if self.open[-1] == "{" else "value", may_close=False)
            return state._close(letter)
        return None

    def _begin_value(self, letter: str) -> "JsonPrefix | None":
        if not self.open and letter != "{":
            return None
        if letter in "{[":
            return JsonPrefix("key" if letter == "{" else "value", self.open + letter, may_close=True)
        if letter == '"':
            return replace(self, wants="string", word="", in_key=False)
        if letter in "-0123456789":
            return replace(self, wants="number", word=letter)
        if letter in "tfn":
            return replace(self, wants="word", word=letter)
        return self._close(letter) if self.may_close and self.open[-1] == "[" else None

    def _in_string(self, letter: str) -> "JsonPrefix | None":
        if self.word.startswith("u"):
            if letter not in HEX:
                return None
            return replace(self, word="" if len(self.word) == 4 else self.word + letter)
        if self.word == "\\":
            return replace(self, word="u" if letter == "u" else "") if letter in ESCAPED else None
        if letter == "\\":
            return replace(self, word="\\")
        if letter == '"':
            return replace(self, wants="colon" if self.in_key else "comma", in_key=False)
        return None if letter < " " else self

    def _in_scalar(self, letter: str) -> "JsonPrefix | None":
        word = self.word + letter
        if self.wants == "word":
            whole = next((known for known in WORDS if known.startswith(word)), None)
            return None if whole is None else replace(self, wants="comma" if whole == word else "word", word=word)
        if _begins_number(word):
            return replace(self, word=word)
        ended = replace(self, wants="comma", word="")
        return ended._after(letter) if self.word[-1] in "0123456789" else None

    def _close(self, letter: str) -> "JsonPrefix | None":
        if letter != {"{": "}", "[": "]"}[self.open[-1]]:
            return None
        rest = self.open[:-1]
        return JsonPrefix("comma" if rest else "end", rest)


def _begins_number(word: str) -> bool:
    """Whether more digits could make it a number."""
    body = word[1:] if word.startswith("-") else word
    mantissa, e, exponent = body.lower().partition("e")
    whole, dot, fraction = mantissa.partition(".")
    if not _digits(whole) or (whole.startswith("0") and len(whole) > 1) or not _digits(fraction):
        return False
    if (dot and not whole) or (e and not (whole and (fraction or not dot))):
        return False
    return not e or _digits(exponent[1:] if exponent[:1] in ("+", "-") else exponent)


def _digits(text: str) -> bool:
    return all(letter in "0123456789" for letter in text)
