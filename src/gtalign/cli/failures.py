"""How errors end a command: one line on stderr and an exit code.

Exit codes: 0 done, 1 the work failed, 2 bad input, 130 interrupted.
"""

import errno
import sys

from gtalign.cli.extras import advice
from gtalign.errors import GTAlignError, ServiceError, SteeringError, StorageError, TrainingError

BAD_INPUT = 2
FAILED = 1
INTERRUPTED = 130

# A full disk, or a file that may not grow: the work failed, and nothing was wrong with the input.
_FULL = {errno.EDQUOT, errno.EFBIG, errno.ENOSPC}
# What makes a file unusable that the person who named it can put right.
_FILE_ERRORS = {
    errno.EACCES,
    errno.EDQUOT,
    errno.EEXIST,
    errno.EISDIR,
    errno.ELOOP,
    errno.EMFILE,
    errno.ENAMETOOLONG,
    errno.ENOENT,
    errno.ENOSPC,
    errno.ENOTDIR,
    errno.EPERM,
    errno.EROFS,
}


def diagnose(error: Exception) -> tuple[int, str] | None:
    """Return exit code and message of an expected error; None for a bug of ours."""
    if isinstance(error, ServiceError | SteeringError | TrainingError):
        return FAILED, str(error)
    if isinstance(error, StorageError) and error.errno is not None:
        code = FAILED if error.errno in _FULL else BAD_INPUT
        return code, _of_file(error)
    if isinstance(error, GTAlignError):
        return BAD_INPUT, str(error)
    if isinstance(error, OSError) and error.errno in _FILE_ERRORS:
        return BAD_INPUT, _of_file(error)
    if isinstance(error, ModuleNotFoundError) and not (error.name or "").startswith("gtalign"):
        name = error.name or ""
        return BAD_INPUT, f"the Python package {name!r} is not installed; {advice(name)}"
    return None


def _of_file(error: OSError) -> str:
    return ": ".join(str(part) for part in (error.filename, error.strerror) if part)


def complain(message: str) -> None:
    """Print an error as one line on stderr."""
    print(f"gtalign: error: {' '.join(message.split())}", file=sys.stderr)
