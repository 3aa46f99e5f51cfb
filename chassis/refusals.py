"""What the system refuses of our files, in words for whoever looks after the installation.

They say whose a folder is, that a disk is full or that it can only be read, and what to do about it. Plain
code on the standard library, as it is used before anything else stands.
"""

import errno
import os
import pwd
import shlex
import stat
from pathlib import Path

_FULL = {errno.ENOSPC, errno.EDQUOT}


def refused(error: OSError, place: Path | None = None) -> str:
    """What is wrong with a file that could not be used, and the cure, as a sentence.

    Args:
        place: where it was, if the error itself does not say.
    """
    named = error.filename
    where = Path(os.fsdecode(named)) if isinstance(named, str | bytes) else place
    if where is None:
        return f"The system refuses it: {error.strerror or type(error).__name__}."
    if error.errno in _FULL:
        return f"The disk that holds {_last_there(where)} is full. Make room there, and type it again."
    if error.errno == errno.EROFS:
        return (
            f"{_last_there(where)} can only be read from here: its disk takes nothing. Mount it for writing, "
            "or name it in the unit of systemd that shuts us in: ReadWritePaths="
        )
    if isinstance(error, PermissionError):
        return _not_ours(_last_there(where))
    return f"{where} cannot be used: {error.strerror}."


def unusable(folder: Path, *, writing: bool = True) -> str | None:
    """Why we cannot read a folder, or not write there; nothing where we can, or there is none."""
    wanted = os.R_OK | os.X_OK | (os.W_OK if writing else 0)
    if os.access(folder, wanted):
        return None
    try:
        read_only = os.statvfs(folder).f_flag & os.ST_RDONLY
    except FileNotFoundError:
        return None
    except OSError as error:
        return refused(error, folder)
    number = errno.EROFS if read_only and os.access(folder, wanted & ~os.W_OK) else errno.EACCES
    return refused(OSError(number, os.strerror(number), str(folder)))


def _last_there(where: Path) -> Path:
    """The last part of a path that is there, as far as we can see: the one that lets us no further."""
    whole = where.absolute()
    last = Path(whole.anchor)
    for each in (*reversed(whole.parents), whole):
        try:
            mode = each.stat().st_mode
        except OSError:
            break
        last = each
        if stat.S_ISDIR(mode) and not os.access(each, os.X_OK):
            break
    return last


def _not_ours(path: Path) -> str:
    owner = path.stat().st_uid
    if owner == os.geteuid():
        return f"{path} is yours, but shut to you. Type: chmod u+rwX {shlex.quote(str(path))}"
    theirs, ours = _name(owner), _name(os.geteuid())
    cure = f"Type it as {theirs}: sudo -u {shlex.quote(theirs)} …"
    return f"{path} belongs to {theirs}, and you are {ours}. {cure}"


def _name(user: int) -> str:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return f"#{user}"
