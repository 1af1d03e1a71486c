"""What every ``python -m pipeline_lib.<stage>.<verb>`` shares: mistakes in the input end in one clear line."""

import sys
from collections.abc import Callable


def run(main: Callable[[], None]) -> None:
    """Call `main`; print a user's mistake (`ValueError`, `FileNotFoundError`) as one line and exit with 1.

    Anything else is our own bug and keeps its traceback.
    """
    try:
        main()
    except (ValueError, FileNotFoundError) as error:
        # A name from an archive may hold what a terminal obeys.
        text = "".join(c if c.isprintable() or c == "\n" else f"\\x{ord(c):02x}" for c in str(error))
        sys.exit(f"error: {text}")
