"""What a configuration gives twice is refused: YAML, JSON and Snakemake would keep the last and say nothing."""

import shlex

import pytest
from conftest import ROOT
from workflows import snakemake

from pipeline_lib.config.repeated import repeated_keys, repeated_options


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("fetch: {rows: 3}\nrun: a\nfetch: {parts: 2}\n", ["fetch in lines 1 and 3"]),
        ("fetch:\n  rows: 3\n  'rows': 4\n", ["rows in lines 2 and 3"]),
        ('a: 1\n"a": 2\na: 3\n', ["a in lines 1 and 2", "a in lines 2 and 3"]),
        ("a: {no: 1, off: 2, 1: 3, 0x1: 4}\n", ["off in lines 1 and 1", "0x1 in lines 1 and 1"]),
        ("a:\n- b: 1\n- {b: 1, b: 2}\n", ["b in lines 3 and 3"]),
        ("a: {&x b: {c: 1, c: 2}}\nd: *x\n", ["c in lines 1 and 1"]),
        ("a: &x {c: 1, c: 2}\nd: *x\n", ["c in lines 1 and 1"]),
        ("a: &x {b: 1}\nc: {<<: *x, <<: *x}\n", ["<< in lines 2 and 2"]),
        ("a: 1\n? [b]\n: 2\na: 3\n", ["a in lines 1 and 4"]),
        ('{"a": {"b": 1,\n\t"b": 2}}', ["b in lines 1 and 2"]),
        ("!!python/name:os.system a: 1\n", []),
        ("a: &x {b: 1, c: 2}\nd: {<<: *x, b: 3}\ne: *x\n", []),  # what is taken from elsewhere may be changed
        ("a: &x [*x]\n1: b\n'1': c\n", []),
        ("fetch:\n", []),
        ("", []),
    ],
)
def test_keys(tmp_path, text, found):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    for line, place in zip(repeated_keys(path), found, strict=True):
        assert (
            line == f"{path}: expected each key once, found {place}; the first would be lost: join them, or remove one"
        )


def test_the_shipped_configurations_have_each_key_once():
    for path in (ROOT / "config").glob("*.yaml"):
        assert repeated_keys(path) == []


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        ("--configfile a.yaml b.yaml --config run=a fetch={rows:1} --cores 2", []),
        ("--configfile a.yaml --configfile b.yaml", ["--configfile: expected once, found 2 times"]),
        ("--configfile=a.yaml -n --configfiles b.yaml", ["--configfile: expected once, found 2 times"]),
        ("-C run=a --config miniature=", ["--config: expected once, found 2 times"]),
        ("--config run=a run=b -- all", ["--config: expected each key once, found run more than once"]),
        ("--config fetch={a:&{,b:} run={}", []),
        (
            "--config 'fetch={user_agent: a, user_agent: b}' --cores 2",
            ["--config: expected each key once, found fetch/user_agent more than once"],
        ),
    ],
)
def test_options(arguments, found):
    said = repeated_options(shlex.split(arguments))
    assert len(said) == len(found) and all(line.startswith(start) for line, start in zip(said, found, strict=True))


def test_the_workflow_refuses_before_any_job(empty_copy):
    (empty_copy / "mine.yaml").write_text("fetch: {rows: 3}\nfetch: {parts: 2}\n")
    done = snakemake("-n", "--cores", "1", "--configfile", "mine.yaml", "--config", "run=a", "run=b", folder=empty_copy)
    said = done.stdout + done.stderr
    assert done.returncode != 0 and "mine.yaml: expected each key once, found fetch in lines 1 and 2" in said
    assert "--config: expected each key once, found run more than once" in said
