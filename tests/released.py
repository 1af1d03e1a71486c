"""Rows of the released CC-Neg, in its structure."""


def key(index):
    """The key of a row: not in order, as in the release."""
    return f"{(index * 7919 + 340_000_123) % 10**9:09d}"


def annotation(index, **sop):
    """An annotation as released."""
    return {
        "tar_path": "/workspace/00012.tar",
        "json": {
            "caption": f"a dog on a sofa , number {index}",
            "url": f"http://h.test/{index}",
            "key": key(index),
            "sha256": None,
            "width": 512,
        },
        "caption": f"a dog on a sofa , number {index}",
        "labels": "dog,sofa",
        "MIDs": "/m/0bt9lr",
        "confidence_scores": "0.98",
        "sop_data": {
            "sop_decomposition": {
                "subject": None if index % 2 else "a dog",
                "object-predicate-pairs": [{"object": "sofa", "predicate": "on"}] * (index % 3 + 1),
            },
            "sop_chosen_object": "sofa",
            "negative-prompt": f"a dog, not on a sofa, number {index}",
            "exclusion-prompt": f"a dog number {index}",
            **sop,
        },
    }
