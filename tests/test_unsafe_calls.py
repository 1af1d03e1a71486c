"""Nothing in the library or the workflow runs what a file holds, unpacks archives, or gives a text to a shell.

What files that try do is shown by the tests of hostile files; this one finds new calls before there is such a file.
"""

import ast
import re
from collections import Counter

import pytest
from conftest import ROOT

# Calls by the end of their dotted name.
RUN_A_TEXT = ("eval", "exec", "compile")
FORBIDDEN = (  # in the first two lines because they run files or the code in them
    *("pickle.load", "pickle.loads", "pickle.Unpickler", "pickle._Unpickler", "read_pickle", "joblib.load"),
    *("marshal.loads", "dill.load", "torch.load", "jit.load", "clip.load", "np.load", "numpy.load"),
    *("yaml.load", "yaml.full_load", "yaml.unsafe_load", "from_pretrained", "WebDataset"),  # make objects or unpickle
    *("extract", "extractall", "unpack_archive", "mktemp"),  # write where an archive says, or others may
    *("os.system", "os.popen", "getoutput", "create_subprocess_shell"),  # a shell
    "loadmat",  # crashes on damaged files
)
#: (file, call) -> how often, each with the reason why it is harmless there.
ALLOWED = {
    ("pipeline_lib/clip/torch_file.py", "torch.load"): 1,  # weights_only=True
    ("pipeline_lib/clip/inert.py", "pickle._Unpickler"): 1,  # which looks no name up and calls nothing of the file's
    ("pipeline_lib/clip/load.py", "clip.load"): 1,  # after the SHA-256 of the released file has been compared
    ("pipeline_lib/evaluate/ccneg_transformers.py", "from_pretrained"): 3,  # local files, weights_only, no remote code
    ("pipeline_lib/score/models.py", "from_pretrained"): 2,  # no remote code
}
#: Options that must have one value wherever they are given.
OPTIONS = {"shell": False, "allow_pickle": False, "trust_remote_code": False, "weights_only": True}


def dotted(node: ast.AST) -> str:
    """The name of what is called or inherited from: ``a.b.c``."""
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else "?"


def used(tree: ast.AST):
    """Yield the forbidden names that a module calls or inherits from; `model.eval()` and `re.compile` are others."""
    for node in ast.walk(tree):
        found = [node.func] if isinstance(node, ast.Call) else node.bases if isinstance(node, ast.ClassDef) else []
        for name in map(dotted, found):
            yield from (bad for bad in RUN_A_TEXT if name == bad)
            yield from (bad for bad in FORBIDDEN if name == bad or name.endswith(f".{bad}"))


def test_what_runs_the_content_of_files_is_called_nowhere_but_where_it_is_harmless():
    found = Counter()
    for path in sorted((ROOT / "pipeline_lib").rglob("*.py")):
        tree = ast.parse(path.read_text())
        found.update((str(path.relative_to(ROOT)), name) for name in used(tree))
        for node in ast.walk(tree):
            if isinstance(node, ast.keyword) and node.arg in OPTIONS:
                assert ast.unparse(node.value) == str(OPTIONS[node.arg]), f"{path}: {node.arg}"
    assert found == ALLOWED


@pytest.mark.parametrize("path", [ROOT / "Snakefile", *sorted((ROOT / "workflow").rglob("*.smk"))], ids=str)
def test_the_workflow_runs_no_text(path):
    for name in ("eval", "exec", *(name for name in FORBIDDEN if "." in name)):
        assert not re.search(rf"(?<![\w.]){re.escape(name)}\(", path.read_text()), name
    assert not re.search(r"^\s*run:", path.read_text(), re.MULTILINE)


def test_a_forbidden_call_is_found():
    code = "class A(pickle.Unpickler): pass\nx = torch.load(p)\ny = eval('1')\nz = tar.extractall()\nmodel.eval()"
    assert sorted(used(ast.parse(code))) == ["eval", "extractall", "pickle.Unpickler", "torch.load"]
