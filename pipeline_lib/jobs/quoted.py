"""Quote a value of a foreign file in a message: any depth and any size of it, in a line that can be read."""

import reprlib

_REPR = reprlib.Repr()
_REPR.maxlevel = 4
_REPR.maxdict = _REPR.maxlist = _REPR.maxtuple = 12
_REPR.maxstring = _REPR.maxother = _REPR.maxlong = 300


def quoted(value: object, length: int = 200) -> str:
    """Return the beginning of ``repr(value)``, made without walking through all of `value`.

    What is nested in itself, or thousands of levels deep, or the same list a billion times, has no other.
    """
    return _REPR.repr(value)[:length]
