"""Nothing in the library or the workflow runs what a file holds, unpacks archives, or gives a text to a shell."""

import ast
import re
from collections import Counter

import pytest
from conftest import ROOT

#: Calls by the end of their dotted name, and why they have no place here.
FORBIDDEN = {
    "eval": "runs a text",
    "exec": "runs a text",
    "compile": "makes code of a text",
    "pickle.load": "runs what a file says",
    "pickle.loads": "runs what a file says",
    "pickle.Unpickler": "runs what a file says",
    "pickle._Unpickler": "runs what a file says unless its names are restricted",
    "read_pickle": "runs what a file says",
    "joblib.load": "runs what a file says",
    "marshal.loads": "makes code of bytes",
    "dill.load": "runs what a file says",
    "torch.load": "runs what a file says unless it is asked for weights only",
    "jit.load": "holds code",
    "clip.load": "opens TorchScript, which holds code",
    "np.load": "can unpickle",
    "numpy.load": "can unpickle",
    "loadmat": "crashes on damaged files",
    "yaml.load": "can make any object",
    "yaml.full_load": "can make many objects",
    "yaml.unsafe_load": "makes any object",
    "extract": "writes where an archive says",
    "extractall": "writes where an archive says",
    "unpack_archive": "writes where an archive says",
    "os.system": "gives a text to a shell",
    "os.popen": "gives a text to a shell",
    "getoutput": "gives a text to a shell",
    "create_subprocess_shell": "gives a text to a shell",
    "from_pretrained": "can load code and pickles",
    "WebDataset": "decodes pickles unless it is told not to",
    "mktemp": "names a file that another process may take",
}
#: (file, call) -> how often, each with the reason why it is harmless there.
ALLOWED = {
    ("pipeline_lib/clip/torch_file.py", "torch.load"): 1,  # weights_only=True, which the next test looks at
    ("pipeline_lib/clip/inert.py", "pickle._Unpickler"): 1,  # which looks no name up and calls nothing of the file's
    ("pipeline_lib/readers/cifar.py", "pickle._Unpickler"): 1,  # which makes nothing but texts, lists and dictionaries
    ("pipeline_lib/clip/load.py", "clip.load"): 1,  # after the SHA-256 of the released file has been compared
    ("pipeline_lib/evaluate/image_text_models.py", "from_pretrained"): 3,  # local files, weights_only, no remote code
}
BUILTIN = ("eval", "exec", "compile")
LIBRARY = sorted((ROOT / "pipeline_lib").rglob("*.py"))
WORKFLOW = [ROOT / "Snakefile", *sorted((ROOT / "workflow" / "rules").glob("*.smk"))]


def dotted(node: ast.AST) -> str:
    """The name of what is called or inherited from: ``a.b.c``."""
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else "?"


def used(tree: ast.AST):
    """Yield the forbidden names that a module calls or inherits from, with their nodes."""
    for node in ast.walk(tree):
        found = [node.func] if isinstance(node, ast.Call) else node.bases if isinstance(node, ast.ClassDef) else []
        for name in map(dotted, found):
            for forbidden in FORBIDDEN:
                # `model.eval()` and `re.compile` are others' methods.
                if name == forbidden or (name.endswith(f".{forbidden}") and forbidden not in BUILTIN):
                    yield forbidden, node


def test_what_runs_the_content_of_files_is_called_nowhere_but_where_it_is_harmless():
    found = Counter()
    for path in LIBRARY:
        for name, _ in used(ast.parse(path.read_text())):
            found[str(path.relative_to(ROOT)), name] += 1
    assert found == ALLOWED, "; ".join(f"{path}: {name} {FORBIDDEN[name]}" for path, name in found.keys() - ALLOWED)


def keywords(path: str, name: str) -> list[dict]:
    """The keyword arguments of the calls of `name` in a file."""
    tree = ast.parse((ROOT / path).read_text())
    return [{k.arg: ast.unparse(k.value) for k in node.keywords} for found, node in used(tree) if found == name]


def test_the_exceptions_are_called_as_is_said():
    (load,) = keywords("pipeline_lib/clip/torch_file.py", "torch.load")
    assert load["weights_only"] == "True"
    models = keywords("pipeline_lib/evaluate/image_text_models.py", "from_pretrained")
    assert [(one.get("weights_only"), one.get("trust_remote_code")) for one in models if "dtype" in one] == [
        ("True", "False")
    ]
    assert all(one[None] == "local" for one in models)  # local_files_only=True
    source = (ROOT / "pipeline_lib/clip/load.py").read_text()
    assert source.index("found := sha256(path)") < source.index("= clip.load(")


def test_no_shell_is_started_and_no_pickle_allowed():
    for path in LIBRARY:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.keyword) and node.arg in ("shell", "allow_pickle", "trust_remote_code"):
                assert ast.unparse(node.value) == "False", f"{path}: {node.arg}"


@pytest.mark.parametrize("path", WORKFLOW, ids=lambda path: path.name)
def test_the_workflow_runs_no_text(path):
    text = path.read_text()
    for name in FORBIDDEN:
        if "." in name or name in ("eval", "exec"):
            assert not re.search(rf"(?<![\w.]){re.escape(name)}\(", text), name
    assert not re.search(r"^\s*run:", text, re.MULTILINE)


def test_a_forbidden_call_is_found():
    code = (
        "import pickle, torch\nclass A(pickle.Unpickler): pass\nx = torch.load(p)\ny = eval('1')\nz = tar.extractall()"
    )
    assert sorted(name for name, _ in used(ast.parse(code))) == ["eval", "extractall", "pickle.Unpickler", "torch.load"]
