"""Whether an error means that there is no room left to write. No torch here."""

from __future__ import annotations

import errno
import re

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_IN_WORDS = re.compile(r"\(os error (\d+)\)")  # what libraries in Rust tell of an OSError


def is_lacking(error: BaseException | None) -> bool:
    """Whether it, or what it came from, is a full disk, a quota or a limit on the size of files.

    A library may fail anew while it closes what it could not write.
    """
    while error is not None:
        told = _IN_WORDS.search(str(error))
        number = error.errno if isinstance(error, OSError) else told and int(told[1])
        if number in NO_ROOM:
            return True
        error = error.__cause__ or error.__context__
    return False
