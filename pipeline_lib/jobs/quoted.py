"""Quote a value of a foreign file in a message: one readable line, however deep and large the value is."""

import reprlib

_REPR = reprlib.Repr()
_REPR.maxlevel = 4
_REPR.maxdict = _REPR.maxlist = _REPR.maxtuple = 12
_REPR.maxstring = _REPR.maxother = _REPR.maxlong = 300


def quoted(value: object, length: int = 200) -> str:
    """Return the beginning of ``repr(value)``, without walking through all of `value`, which may contain itself."""
    return _REPR.repr(value)[:length]
