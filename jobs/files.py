"""Files in the storage: under their name they are whole, or not there. Local folders and object stores alike."""

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from django.conf import settings
from django.core.files import File
from django.core.files.storage import FileSystemStorage, default_storage


def is_local() -> bool:
    """Whether the storage is a folder of this machine."""
    return isinstance(default_storage, FileSystemStorage)


def path_of(name: str) -> Path:
    """Where the file is on this machine; of an object store, where a copy of it is kept."""
    return Path(default_storage.path(name)) if is_local() else settings.HOME / "copies" / name


@contextmanager
def written(name: str, writer: str) -> Iterator[BinaryIO]:
    """A file to write to, which gets its name when the block ends well. `writer` differs for each attempt, so that a
    worker that lost its job cannot touch the file of the one that took over. Raises OSError.
    """
    path = path_of(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{writer}")
    try:
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if not is_local():
            _send(name, temporary)
        temporary.replace(path)
        _sync_folder(path.parent)
    except BaseException:
        # The disk may refuse this too; what is left is swept when the file is written next.
        with suppress(OSError):
            temporary.unlink()
        raise


def _send(name: str, path: Path) -> None:
    """An object store shows an object when all of it has arrived, in place of the one that was there before."""
    if default_storage.get_available_name(name) != name:  # this one would keep both, under another name
        default_storage.delete(name)
    with path.open("rb") as file:
        default_storage.save(name, File(file))


def opened(name: str) -> BinaryIO:
    """Open for reading. Raises FileNotFoundError."""
    return path_of(name).open("rb") if is_local() else default_storage.open(name, "rb")  # type: ignore[return-value]


def fetched(name: str) -> Path:
    """The file on this machine, fetched from an object store where it has to be. Raises OSError."""
    path = path_of(name)
    if not is_local():
        path.parent.mkdir(parents=True, exist_ok=True)
        arriving = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
        with default_storage.open(name, "rb") as source, arriving.open("wb") as target:
            shutil.copyfileobj(source, target)
        arriving.replace(path)
    return path


def exists(name: str) -> bool:
    return default_storage.exists(name)


def removed(name: str) -> None:
    """Take the file from the storage, and the copy of it on this machine; one that is not there is removed."""
    default_storage.delete(name)
    path_of(name).unlink(missing_ok=True)


def is_there(name: str, size: int | None) -> bool:
    return default_storage.exists(name) and default_storage.size(name) == size


def sweep(name: str, prefix: str) -> None:
    """Remove what killed writers left of this file."""
    path = path_of(name)
    for leftover in path.parent.glob(f".{path.name}.{prefix}*"):
        leftover.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    """A new name survives a power cut only once the folder is on the disk too."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
