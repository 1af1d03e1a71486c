"""Find the weights of a CLIP among what a checkpoint holds: under which key, after which prefix, with which names.

The text tower's last norm tells: what precedes its name is the prefix of all weights of that CLIP.
"""

import re
from collections import deque
from collections.abc import Collection, Iterator

from torch import Tensor

from pipeline_lib.clip.inert import StandIn, Stored
from pipeline_lib.jobs.quoted import quoted

NO_WEIGHTS = ("input_resolution", "context_length", "vocab_size", "n_averaged", "attn_mask")  # met among weights
WRAPPERS = {"module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"}  # of torch, anywhere in a name
LAST_NORMS = ("ln_final.weight", "text_model.final_layer_norm.weight")  # by which a text tower is found
LAST_NORM = re.compile(rf"(.*\.|)({'|'.join(map(re.escape, LAST_NORMS))})")
MODULE = ("_parameters", "_buffers", "_modules")
# Keys or prefixes of the trained weights where a copy of them lies beside them: an average, a teacher.
TRAINED = ("", "model", "state_dict", "model_state_dict", "module", "net")
LISTED, LONGEST = 3, 200  # how many names a message lists; letters of the keys that lead to weights
LORA = (
    "LoRA adapters, which are not merged into the weights: merge them (peft: `model.merge_and_unload()`) and save the "
    "state_dict of what that returns"
)


def weights_in(content: object) -> tuple[str, dict[str, Stored | Tensor]]:
    """Return the dictionary of a CLIP's weights in what a file holds, and the keys that lead to it."""
    found, odd = {}, ""
    for where, value, tensors in _dictionaries(content):
        if tensors:
            found[where] = tensors
        for name, inner in value.items():
            if isinstance(inner, StandIn) and type(name) is str and _has_text_tower([name]):
                odd = f"; {quoted(name, 80)}{_under(where)} is {inner!r}, expected a whole tensor"
    if clips := {where: tensors for where, tensors in found.items() if _has_text_tower(tensors)}:
        where = the_trained(clips, "under")
        found = {where: clips[where]}
    if any("lora_" in name for tensors in found.values() for name in tensors):
        raise ValueError(LORA)
    if clips:
        return where, clips[where]
    said = [
        f"{len(tensors)} tensors{_under(where)}, {listed(tensors)}" for where, tensors in list(found.items())[:LISTED]
    ]
    if not said:
        said = [f"no tensors, but {listed(content)}" if isinstance(content, dict) and content else "no tensors"]
    raise ValueError(
        "expected the weights of a CLIP as a state_dict, alone or under a key such as `model` or `state_dict`, with "
        f"{' or '.join(LAST_NORMS)} of its text tower; found {'; '.join(said)}{odd}"
    )


def the_trained(names: Collection[str], how: str) -> str:
    """Return which of the keys or prefixes of CLIPs is that of the trained one: the only one, or one of `TRAINED`."""
    plain = [name for known in TRAINED for name in names if name.removesuffix("text.").removesuffix(".") == known]
    if not plain and len(names) > 1:
        raise ValueError(f"{len(names)} CLIPs, {how} {listed(names)}: save the one that you mean as a state_dict")
    return [*plain, *names][0]


def _under(where: str) -> str:
    return f" under `{quoted(where, 80)[1:-1]}`" if where else ""


def listed(names: Collection[object]) -> str:
    """Return the first of some names for a message."""
    first = ", ".join(quoted(name, 80) for name in list(names)[:LISTED]) or "nothing"
    return f"{first} and {len(names) - LISTED} more" if len(names) > LISTED else first


def _dictionaries(content: object) -> Iterator[tuple[str, dict, dict[str, Stored | Tensor]]]:
    """Yield every dictionary and object in what a file holds, the outer ones first: keys that lead to it, it, tensors.

    What lies in a CLIP is not looked at, nor what lies deeper than names of `LONGEST` letters say.
    """
    waiting, seen, merged = deque([("", content)] if isinstance(content, dict | list | tuple) else ()), set(), set()
    while waiting:
        where, value = waiting.popleft()
        if id(value) in seen or len(where) > LONGEST:
            continue
        seen.add(id(value))
        items = dict(value if isinstance(value, dict) else enumerate(value))
        if isinstance(value, dict):
            tensors = _tensors(value, merged) if id(value) not in merged else {}
            yield where, value, tensors
            if _has_text_tower(tensors):
                continue
        if isinstance(value, StandIn) and isinstance(value.state, dict):
            items |= value.state
        start = f"{where}." if where else ""
        waiting += [
            (f"{start}{key}", inner)
            for key, inner in items.items()
            if (isinstance(inner, dict) or type(inner) in (list, tuple)) and isinstance(key, str | int)
        ]


def _tensors(value: dict, seen: set[int]) -> dict[str, Stored | Tensor]:
    """Return the tensors under the names of a dictionary; of a model those of its modules too."""
    seen.add(id(value))
    state = value.state if isinstance(value, StandIn) and isinstance(value.state, dict) else {}
    found = {}
    # A module of Python has its tensors in these three, one of TorchScript under its attributes.
    parts = map(state.get, MODULE) if "_parameters" in state else (value, state)
    for part in parts:
        for name, inner in part.items() if isinstance(part, dict) else ():
            if isinstance(inner, Stored | Tensor) and type(name) is str:
                found[name] = inner
            elif isinstance(value, StandIn) and isinstance(inner, StandIn) and id(inner) not in seen:
                # A module that is in two places has its names in one.
                found |= {f"{name}.{below}": tensor for below, tensor in _tensors(inner, seen).items()}
    return found


def _without_wrappers(name: str) -> str:
    return ".".join(part for part in name.split(".") if part not in WRAPPERS)


def _has_text_tower(names: Collection[str]) -> bool:
    return any(LAST_NORM.fullmatch(_without_wrappers(name)) for name in names)


def names_in(raw_names: Collection[str]) -> tuple[dict[str, str], bool, list[str]]:
    """Return name in a CLIP -> name in the file, whether they are Hugging Face's, and names that are not the CLIP's."""
    raw = {_without_wrappers(name): name for name in raw_names}
    if len(raw) < len(raw_names):
        raise ValueError(
            "the same weights twice, with and without a prefix: save the one that you mean as a state_dict"
        )
    towers = {match[1]: match[2] for name in raw if (match := LAST_NORM.fullmatch(name))}
    prefix = the_trained(towers, "named")
    others = tuple(set(towers) - {prefix})
    huggingface = towers[prefix] == LAST_NORMS[1]
    outer = prefix.removesuffix("text.")  # open_clip's CLIP with a text tower of its own: visual.*, text.*
    if not huggingface and any(name.startswith(f"{outer}visual.") for name in raw):
        prefix = outer
    names, left_out = {}, []
    for name in raw:
        if not name.startswith(prefix) or (others and name.startswith(others)):
            left_out.append(raw[name])
        elif (own := name.removeprefix(prefix)).rpartition(".")[2] not in NO_WEIGHTS:
            names[own if huggingface else own.removeprefix("text.")] = raw[name]
    return names, huggingface, left_out
