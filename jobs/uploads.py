"""A file that somebody brings becomes the draft of an import: looked at, kept, and nothing of it stored yet."""

import hashlib
import io
import logging
import tempfile
from itertools import islice
from pathlib import PurePath
from typing import BinaryIO, NamedTuple, cast

from django.core.files import File

from curation import chat
from curation.models import Project, Provider, User

from . import tables
from .models import Import
from .past_calls import PastCall, shape_of
from .past_files import FileError, Unpacked, check_encoding, head, lines
from .past_rows import rows_of_lines, rows_of_table
from .tables import TableError, open_table

log = logging.getLogger(__name__)

MAX_BYTES = 1 << 30
PREVIEWS = 3
# So many lines are looked at for the names of columns.
_LOOKED_AT = 20
# What columns are mostly called, in the order in which they are looked for.
_USUAL = {
    "prompt": ("prompt", "instruction", "question", "input", "user", "user_prompt", "query", "request"),
    "answer": ("completion", "response", "answer", "output", "assistant", "target", "label"),
    "system": ("system", "system_prompt"),
    "model": ("model",),
}


class Shown(NamedTuple):
    """A line as it would be stored, or why it would not."""

    number: int
    prompt: str
    answer: str
    problem: str


def draft(project: Project, file: File, user: User | None = None) -> Import:
    """Look at a file and keep it. Raises FileError and TableError for one that nothing can be made of."""
    name = "".join(letter for letter in PurePath(file.name or "file").name if letter.isprintable())[:200] or "file"
    stream = cast(BinaryIO, file)  # Django's File is one in all that matters here
    if not (first := head(stream)):
        raise FileError(f"There is no line in {name}.")
    if first.startswith(b"["):
        raise FileError("This is one JSON list. Write one object to a line (JSON lines), or export it that way.")
    if first.startswith(b"{"):
        check_encoding(first)
        upload = _draft_of_lines(project, stream)
        kept = file
    else:
        kept = _unpacked_table(stream)
        upload = _draft_of_table(project, kept)
    upload.file, upload.file_name, upload.created_by = kept, name, user
    upload.file_sha256, upload.byte_count = _digest(kept), kept.size
    upload.save()
    log.info("%s drafted project=%s kind=%s bytes=%s", upload, project.slug, upload.kind, upload.byte_count)
    return upload


def request_stored(project: Project, provider: Provider, model: str = "", user: User | None = None) -> Import:
    """Have a worker import what the provider stored of calls made with `store=true`."""
    upload = Import.objects.create(
        project=project, kind=Import.Kind.STORED, provider=provider, model=model, created_by=user,
        shape="Stored completions",
    )  # fmt: skip
    log.info("%s requested project=%s provider=%s", upload, project.slug, provider.pk)
    return upload


def guess(columns: list[str]) -> dict[str, str]:
    """Which column may be what, by its name."""
    plain = {name.strip().lower().replace(" ", "_"): name for name in columns}
    found: dict[str, str] = {}
    for part, usual in _USUAL.items():
        for name in usual:
            if name in plain and plain[name] not in found.values():
                found[part] = plain[name]
                break
    if "input" in plain and plain["input"] not in found.values():
        found["more"] = plain["input"]
    return found


def first_cells(upload: Import, count: int = PREVIEWS) -> list[list[str]]:
    """The first rows of a file whose columns have to be mapped. Raises FileError and TableError."""
    with upload.file.open("rb") as file:
        stream = cast(BinaryIO, file)
        if upload.kind == Import.Kind.TABLE:
            return [list(row.values()) for row in islice(open_table(stream), count)]
        values = (_value(line.text) for line in islice(lines(stream), count))
        return [[_cell(value.get(name)) for name in upload.columns] for value in values]


def preview(upload: Import, count: int = PREVIEWS) -> list[Shown]:
    """The first lines as they would be stored. Raises FileError and TableError."""
    with upload.file.open("rb") as file:
        read = rows_of_table if upload.kind == Import.Kind.TABLE else rows_of_lines
        rows = read(cast(BinaryIO, file), upload.mapping, 0)
        return [_shown(row.number, row.problem, row.call) for row in islice(rows, count)]


def _shown(number: int, problem: str, call: PastCall | None) -> Shown:
    if call is None:
        return Shown(number, "", "", problem)
    answer = chat.read_answer(call.response, is_stream=False)
    try:
        prompt = chat.split_prompt(chat.request_messages(chat.parse_strict(call.request))).user_prompt
    except chat.ChatError as error:
        return Shown(number, "", answer.text or "", f"Kept as a call, and not for review: {error}")
    return Shown(number, prompt, answer.text or "", "")


# Lines


def _draft_of_lines(project: Project, stream: BinaryIO) -> Import:
    """Raises FileError when no line tells how it is to be read."""
    columns: dict[str, None] = {}
    for line in islice(lines(stream), _LOOKED_AT):
        value = _value(line.text)
        if shape := shape_of(value):
            return Import(project=project, kind=Import.Kind.LINES, shape=shape, next_attempt_at=None)
        columns |= dict.fromkeys(value)
    names = [name for name in columns if name.strip() and len(name) <= tables.MAX_COLUMN_NAME]
    if len(names) > tables.MAX_COLUMNS:
        raise FileError(f"The lines have more than {tables.MAX_COLUMNS} keys. Leave some out.")
    kind, shape = Import.Kind.LINES, "JSON lines with keys of their own"
    mapping = guess(names)
    return Import(project=project, kind=kind, shape=shape, columns=names, mapping=mapping, next_attempt_at=None)


def _value(text: bytes) -> dict[str, object]:
    try:
        value = chat.parse_strict(text)
    except chat.ChatError:
        return {}
    return value if isinstance(value, dict) else {}


def _cell(value: object) -> str:
    return "" if value is None else value if isinstance(value, str) else chat.canonical(value)


# Tables


def _unpacked_table(stream: BinaryIO) -> File:
    """A table as it stands, or unpacked up to the limit. Raises TableError and FileError."""
    unpacked = tempfile.SpooledTemporaryFile(max_size=1 << 20)  # noqa: SIM115 - Django closes it with the upload
    file, size = Unpacked(stream), 0
    while piece := file.read(1 << 16):
        size += len(piece)
        if size > tables.MAX_BYTES:
            raise TableError(f"The table has more than {tables.MAX_BYTES >> 20} MB. Split it.")
        unpacked.write(piece)
    unpacked.seek(0)
    return File(cast(io.BytesIO, unpacked), "table")


def _draft_of_table(project: Project, file: File) -> Import:
    table = open_table(cast(BinaryIO, file))
    count = sum(1 for _ in table)
    if not count:
        raise TableError("The table has columns and no row below them.")
    columns = list(table.columns)
    return Import(
        project=project, kind=Import.Kind.TABLE, shape="Table", columns=columns, mapping=guess(columns),
        total_count=count, next_attempt_at=None,
    )  # fmt: skip


def _digest(file: File) -> str:
    digest = hashlib.sha256()
    for piece in file.chunks():
        digest.update(piece)
    return digest.hexdigest()
