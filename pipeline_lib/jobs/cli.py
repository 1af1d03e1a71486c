"""How every ``python -m pipeline_lib.<stage>.<verb>`` ends.

A mistake in the input, and a disk that is full or read-only, end in one clear line. After SIGTERM, with which a cluster
ends a job, the command removes what it was writing. Where nobody reads its output any more, as in ``... | head -1``, it
ends without a word.
"""

import errno
import os
import select
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from io import TextIOWrapper

# Errors of the disk, or of a path at which a folder lies in the place of a file or the other way round.
DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO)
DISK_ERRORS += (errno.EISDIR, errno.ENOTDIR, errno.EEXIST)
ENDED_BY_SIGTERM, ENDED_BY_SIGPIPE = 128 + signal.SIGTERM, 128 + signal.SIGPIPE  # as a shell says it


def run(main: Callable[[], None]) -> None:
    """Call `main`; end with exit code 1 and one line on what a person can mend, or with 143 or 141 after a signal.

    A person can mend mistakes in the input (`ValueError`, `FileNotFoundError`), `DISK_ERRORS` and a GPU without memory.
    Anything else is our bug and keeps its traceback.
    """
    before = signal.signal(signal.SIGTERM, leave)
    if spec := sys.modules["__main__"].__spec__:  # with -m; else argparse would call each package's command __main__.py
        sys.argv[0] = f"python -m {spec.name.removesuffix('.__main__')}"
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a locale without a letter must not end the job
    try:
        main()
    except (ValueError, FileNotFoundError) as error:
        # A name from an archive may hold control characters, which a terminal would execute.
        text = "".join(c if c.isprintable() or c == "\n" else f"\\x{ord(c):02x}" for c in str(error))
        sys.exit(f"error: {text}")
    except OSError as error:
        if isinstance(error, BrokenPipeError) and _reader_is_gone():  # not the pipe to another process
            sys.exit(ENDED_BY_SIGPIPE)
        if error.errno not in DISK_ERRORS:
            raise
        sys.exit(f"error: {error.filename}: {error.strerror}; mend that and run the same command again")
    except RuntimeError as error:
        if type(error).__name__ != "OutOfMemoryError":  # torch's, which most commands never load
            raise
        sys.exit(
            f"error: the GPU's memory is full ({str(error).partition('. ')[0]}); lower batch_size in the config (of "
            "features, or finetune), or let fewer jobs share a card (--resources gpu=NUMBER OF CARDS)"
        )
    except SystemExit as end:
        if end.code == ENDED_BY_SIGTERM:
            with suppress(OSError):  # the process that reads this line may have ended too
                print("ended by SIGTERM; the same command goes on", file=sys.stderr, flush=True)
        raise
    finally:
        signal.signal(signal.SIGTERM, before)
        try:
            print(end="", flush=True)
        except OSError as error:  # Python flushes again at its end, and says what else is wrong
            if isinstance(error, BrokenPipeError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _reader_is_gone() -> bool:
    output = select.poll()
    output.register(sys.stdout, 0)  # reports nothing but errors
    return bool(output.poll(0))


@contextmanager
def sigterm_noted() -> Iterator[Callable[[], bool]]:
    """Yield a function that says whether SIGTERM has come, for work that chooses where to stop and call `leave`."""
    came = []
    before = signal.signal(signal.SIGTERM, lambda *_: came.append(True))
    try:
        yield lambda: bool(came)
    finally:
        signal.signal(signal.SIGTERM, before)


def leave(*_: object) -> None:
    """End this process as SIGTERM does, but clean up everything that is open."""
    sys.exit(ENDED_BY_SIGTERM)
