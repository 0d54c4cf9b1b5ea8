"""Unix sockets: a path may hold about a hundred bytes, and folders can be deeper than that."""

import hashlib
import os
import re
import stat
import tempfile
from pathlib import Path

from .errors import StartError
from .processes import Account

_LONGEST = 100  # bytes; the kernel's limit is 107 on Linux and 103 on macOS
# A comma means a list of hosts to libpq, and not every client decodes what an URL must encode.
_PLAIN = re.compile(r"[A-Za-z0-9/._-]+")


def socket_folder(folder: Path, name: str, account: Account | None = None) -> Path:
    """`folder` when the socket `name` fits there, else a short one for it in the temporary directory. Mode 0700."""
    if not _fits(folder / name):
        digest = hashlib.sha256(os.fsencode(folder)).hexdigest()[:12]
        folder = Path(tempfile.gettempdir(), f"curation-{digest}")
        if not _fits(folder / name):
            raise StartError(f"No short enough path for the socket {name}. Set CURATION_HOME to a shorter path.")
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        _insist_on_ours(folder, account)
    else:
        if account:
            os.chown(folder, *account)
    return folder


def _fits(path: Path) -> bool:
    return len(os.fsencode(path)) <= _LONGEST and _PLAIN.fullmatch(str(path)) is not None


def _insist_on_ours(folder: Path, account: Account | None) -> None:
    """Anybody may make a folder of this name in the temporary directory before us."""
    found = folder.lstat()
    owner = account.uid if account else os.geteuid()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != owner or stat.S_IMODE(found.st_mode) != 0o700:
        raise StartError(f"{folder} is not a private folder of this account. Remove it, or set CURATION_HOME.")
