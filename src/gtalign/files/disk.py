"""One form of error for a stage of a run that meets a full disk."""

import errno
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gtalign.errors import GTAlignError, StorageError

SCANT_BYTES = 64 << 20
"""If a write fails and less room than this is free, the full disk is taken for the reason."""


@contextmanager
def room_in(folder: Path) -> Iterator[None]:
    """Report a full disk as one kind of error, whichever library met it.

    Args:
        folder: Where the stage writes.

    Raises:
        StorageError: The disk is full; the files written so far are kept.
    """
    try:
        yield
    except GTAlignError:
        raise
    except Exception as error:
        if not _lacks_room(error, folder):
            raise
        reason = (
            f"no room left ({error}); the files written so far are complete: free some space and"
            " run the same command again"
        )
        raise StorageError(errno.ENOSPC, reason, str(folder)) from error


def _lacks_room(error: Exception, folder: Path) -> bool:
    """Whether a stage ended because the disk is full.

    Libraries written in Rust tell the system's error number in their text; torch tells at most that
    it wrote less than it should have.
    """
    if "unexpected pos" in str(error):
        return True
    told = re.search(r"\(os error (\d+)\)", str(error))
    number = int(told[1]) if told else getattr(error, "errno", None)
    if number is not None:
        return number in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
    return shutil.disk_usage(folder).free < SCANT_BYTES
