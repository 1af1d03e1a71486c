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
        sys.exit(f"error: {error}")
