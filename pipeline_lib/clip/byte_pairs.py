"""CLIP's byte-pair encoding with each word encoded once: captions repeat their words, and encoding one is slow.

The tokenizer is the caller's: with torch at hand it is the one that the ``clip`` package has made, without it one that
is loaded without the package.
"""

from functools import lru_cache


def encode(tokenizer, text: str) -> list[int]:
    """Return ``tokenizer.encode(text)``.

    Parameters
    ----------
    tokenizer : clip.simple_tokenizer.SimpleTokenizer
        CLIP's.
    text : str
        Of any length.

    Returns
    -------
    list of int
        Token numbers, without start and end.
    """
    # CLIP repairs broken Unicode and HTML entities over the whole text; in plain text no token goes across a space.
    if text.isascii() and text.isprintable() and "&" not in text:
        return [number for word in text.lower().split() for number in _encode_word(tokenizer, word)]
    return tokenizer.encode(text)


@lru_cache(maxsize=1 << 18)
def _encode_word(tokenizer, word: str) -> tuple[int, ...]:
    pieces = tokenizer.pat.findall(word)  # ASCII stands for itself in the alphabet of the pairs
    return tuple(tokenizer.encoder[pair] for piece in pieces for pair in tokenizer.bpe(piece).split(" "))
