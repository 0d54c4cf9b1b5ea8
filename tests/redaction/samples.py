"""Made-up secrets, and strings that only look like some. No two alike, the same in every run."""

import base64
import hashlib
import itertools
import random
import string
import uuid
from collections.abc import Callable, Iterator

from curation.redaction.cards import is_card

_ALNUM = string.ascii_letters + string.digits
_URLSAFE = _ALNUM + "-_"
_HEX = "0123456789abcdef"
_BASE32 = string.ascii_uppercase + "234567"


def _some(random_: random.Random, letters: str, count: int) -> str:
    return "".join(random_.choices(letters, k=count))


def card(random_: random.Random) -> str:
    """A number with a right check digit, of one of the common issuers, as people write it."""
    prefix, length, groups = random_.choice(
        [("4", 16, (4, 4, 4, 4)), ("51", 16, (4, 4, 4, 4)), ("2221", 16, (4, 4, 4, 4)), ("37", 15, (4, 6, 5)),
         ("6011", 16, (4, 4, 4, 4)), ("36", 14, (4, 6, 4)), ("3528", 16, (4, 4, 4, 4)), ("62", 16, (4, 4, 4, 4))]
    )  # fmt: skip
    body = prefix + _some(random_, string.digits, length - len(prefix) - 1)
    digits = next(body + check for check in string.digits if is_card(body + check))
    places = [sum(groups[:index]) for index in range(len(groups) + 1)]
    return random_.choice(["", " ", "-"]).join(digits[a:b] for a, b in itertools.pairwise(places))


SECRETS: dict[str, Callable[[random.Random], str]] = {
    "openai": lambda r: "sk-" + _some(r, _ALNUM, 47) + "7",
    "openai project": lambda r: "sk-" + "proj-" + _some(r, _URLSAFE, 60) + "7" + _some(r, _ALNUM, 10),
    "anthropic": lambda r: "sk-" + "ant-api03-" + _some(r, _URLSAFE, 80),
    "own": lambda r: "cur-" + _some(r, _URLSAFE, 43),
    "aws id": lambda r: "AKIA" + _some(r, _BASE32, 16),
    "aws secret": lambda r: "aws_secret_access_key=" + _some(r, _ALNUM + "/+", 39) + "9",
    "github": lambda r: "ghp_" + _some(r, _ALNUM, 36),
    "github fine-grained": lambda r: "github_pat_" + _some(r, _ALNUM, 22) + "_" + _some(r, _ALNUM, 59),
    "slack bot": lambda r: f"xoxb-{_some(r, string.digits, 12)}-{_some(r, string.digits, 12)}-{_some(r, _ALNUM, 24)}",
    "google": lambda r: "AIza" + _some(r, _URLSAFE, 34) + "x",
    "stripe": lambda r: "sk_" + "live_" + _some(r, _ALNUM, 24),
    "hugging face": lambda r: "hf_" + _some(r, string.ascii_letters, 34),
    "jwt": lambda r: "eyJ" + ".eyJ".join((_some(r, _URLSAFE, 30), _some(r, _URLSAFE, 60))) + "." + _some(r, _ALNUM, 43),
    "private key": lambda r: (
        "-----BEGIN "
        + "RSA PRIVATE KEY-----\n"
        + "\n".join(_some(r, _ALNUM + "+/", 64) for _ in range(6))
        + "\n-----END RSA PRIVATE KEY-----"
    ),
    "bearer": lambda r: "Authorization: Bearer " + _some(r, _ALNUM + "._-", 39) + "5",
    "basic": lambda r: "authorization: Basic " + base64.b64encode(_some(r, _ALNUM, 18).encode()).decode(),
    "database": lambda r: f"postgresql://app:{_some(r, _ALNUM + '!$-_.', 14)}@db.internal:5432/app",
    "redis": lambda r: f"redis://:{_some(r, _ALNUM, 20)}@cache:6379/0",
    "query": lambda r: f"https://api.example.com/v1/x?page=2&api_key={_some(r, _HEX, 31)}7",
    "password": lambda r: f'"password": "{_some(r, _ALNUM, 11)}a7"',
    "card": card,
}


def _not_a_card(r: random.Random) -> str:
    digits = "4" + _some(r, string.digits, 15)
    return digits if not is_card(digits) else digits[:-1] + str((int(digits[-1]) + 1) % 10)


LOOKALIKES: dict[str, Callable[[random.Random], str]] = {
    "uuid": lambda r: str(uuid.UUID(int=r.getrandbits(128), version=4)),
    "completion id": lambda r: "chatcmpl-" + _some(r, _ALNUM, 29),
    "commit": lambda r: hashlib.sha1(_some(r, _ALNUM, 9).encode()).hexdigest(),
    "sha256": lambda r: "sha256:" + hashlib.sha256(_some(r, _ALNUM, 9).encode()).hexdigest(),
    "image": lambda r: "data:image/png;base64," + base64.b64encode(r.randbytes(60)).decode(),
    "wrong check digit": _not_a_card,
    "order number": lambda r: "order 1" + _some(r, string.digits, 15),
    "milliseconds": lambda r: f"at {r.randint(1_500_000_000_000, 1_900_000_000_000)} ms",
    "decimal": lambda r: "4." + _some(r, string.digits, 16),
    "matrix": lambda r: " ".join(str(r.randint(1, 99)) for _ in range(20)),
    "isbn": lambda r: "ISBN 978-3-" + _some(r, string.digits, 5) + "-" + _some(r, string.digits, 3) + "-4",
    "address": lambda r: f"http://10.{r.randint(0, 255)}.{r.randint(0, 255)}.7:8080/path/@{_some(r, _ALNUM, 8)}",
    "css": lambda r: f"class='task-{r.randint(1, 9)}-{_some(r, string.ascii_lowercase, 20)}-header'",
    "prose": lambda r: f"The secret is out: the password needs {r.randint(8, 20)} letters, a token of trust.",
    "code": lambda r: f"password = os.environ['PASSWORD_{r.randint(1, 9)}']; api_key = load_key{r.randint(2, 9)}(path)",
    "placeholder": lambda r: f"postgresql://user:<password>@host{r.randint(1, 99)}/db and Bearer YOUR_TOKEN",
    "version": lambda r: f"gpt-4o-mini-2024-07-{r.randint(10, 28)} and sk-learn-{r.randint(1, 9)}",
    "variable": lambda r: f"ghp_token, hf_hub_download, npm_config_{r.randint(1, 99)}, AKIAH{r.randint(10, 99)}",
    "public": lambda r: "pk_" + "live_" + _some(r, _ALNUM, 24),
    "coordinates": lambda r: f"{r.uniform(40, 60):.12f}, {r.uniform(4, 9):.12f}",
}


def draw(makers: dict[str, Callable[[random.Random], str]], each: int) -> Iterator[tuple[str, str]]:
    """`each` strings of every kind, with the kind."""
    for kind, make in makers.items():
        random_ = random.Random(kind)
        for _ in range(each):
            yield kind, make(random_)
