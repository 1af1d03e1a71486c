"""How captions affirm and deny that an image shows something: the wordings of the negation benchmarks.

Each wording is a pair of captions about a thing, of which the first affirms it and the second denies it. `TRAINED` are
those that negated captions made from CC3M have ("with no", "without"), `UNSEEN` say the same in words that no caption
of a training set made here has: a model that learned what a negation means reads them too.
"""

#: Name -> caption that affirms, caption that denies; {a} is the thing with its article, {x} without.
TRAINED = {
    "with-no": ("a picture with {a}", "a picture with no {x}"),
    "without": ("a picture with {a}", "a picture without {a}"),
}
UNSEEN = {
    "there-is-no": ("there is {a} in the picture", "there is no {x} in the picture"),
    "is-not-in": ("{a} is in the picture", "{a} is not in the picture"),
    "does-not-show": ("the picture shows {a}", "the picture does not show {a}"),
}


def indefinite(words: str) -> str:
    """Return `words` with the indefinite article before them."""
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"


def said(template: str, thing: str) -> str:
    """Return a caption of `TRAINED` or `UNSEEN` about a thing."""
    return template.format(a=indefinite(thing), x=thing)


def shows(present: list[str], absent: list[str]) -> str:
    """Return "a picture with a A and a B but no C", or "a picture with no C" where nothing is said to be present."""
    affirmed, denied = " and ".join(map(indefinite, present)), " and ".join(f"no {thing}" for thing in absent)
    return f"a picture with {' but '.join(filter(None, (affirmed, denied)))}"
