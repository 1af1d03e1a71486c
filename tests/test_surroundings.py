"""What surrounds the repository reaches no result: another repository, an environment that is not active, a system."""

import os
import signal
import subprocess
import sys

import pytest
from conftest import ROOT

from pipeline_lib.jobs import cli, code_version
from pipeline_lib.jobs.code_version import Commit, checked_out
from pipeline_lib.jobs.cores import settle_environment, usable_cores


def git(folder, *arguments):
    """Run git in a folder; return what it prints."""
    me = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    return subprocess.run(["git", *me, *arguments], cwd=folder, capture_output=True, text=True, check=True).stdout


@pytest.fixture
def unpacked(tmp_path, monkeypatch):
    """The folder of a package that lies in another repository, whose last commit is its own."""
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    package = tmp_path / "outer" / "sources" / "pipeline_lib"
    package.mkdir(parents=True)
    (package / "a.py").write_text("a = 1\n")
    monkeypatch.setattr(code_version, "PACKAGE", package)
    monkeypatch.chdir(package.parent)
    commit_all(package.parent.parent)
    return package.parent


def commit_all(folder):
    """Make a repository of a folder; return its commit."""
    git(folder, "init", "-q")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "all")
    return git(folder, "rev-parse", "HEAD").strip()


def test_the_commit_is_that_of_this_repository_alone(unpacked, tmp_path, monkeypatch):
    assert checked_out() == Commit(None, False)
    own = commit_all(unpacked)
    assert checked_out() == Commit(own, False)
    monkeypatch.chdir("/")
    monkeypatch.setenv("GIT_DIR", str(unpacked.parent / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(unpacked.parent))
    (unpacked / "pipeline_lib" / "a.py").write_text("a = 2\n")
    assert checked_out() == Commit(own, True)
    (tmp_path / "link").symlink_to(unpacked)
    monkeypatch.setattr(code_version, "PACKAGE", tmp_path / "link" / "pipeline_lib")
    assert checked_out() == Commit(own, True)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert checked_out() == Commit(None, False)  # no git


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to give files to another user")
def test_the_commit_is_found_where_the_checkout_belongs_to_another_user(unpacked):
    own = commit_all(unpacked)
    for path in (unpacked, *unpacked.rglob("*")):
        os.chown(path, 1234, 1234)
    assert checked_out() == Commit(own, False)


def test_cores_are_counted_where_the_system_does_not_say_which_this_process_may_use(monkeypatch):
    assert usable_cores() == len(os.sched_getaffinity(0))
    monkeypatch.delattr(os, "sched_getaffinity")
    assert usable_cores() == os.cpu_count()
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert usable_cores() == 1


def test_jobs_run_in_an_environment_that_is_the_same_for_each_user(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "/usr/bin")
    monkeypatch.setenv("PYTHONPATH", "/theirs")
    monkeypatch.setenv("PANDAS_FUTURE_INFER_STRING", "0")
    for _ in range(2):
        settle_environment(tmp_path)
    assert os.environ["PATH"] == f"{os.path.dirname(sys.executable)}:/usr/bin"
    assert os.environ["PYTHONPATH"] == f"{tmp_path}:/theirs"
    assert "PANDAS_FUTURE_INFER_STRING" not in os.environ


def test_a_letter_that_the_locale_lacks_is_printed_as_its_number():
    code = "from pipeline_lib.jobs.cli import run; run(lambda: print('caf\\xe9 \\u2191'))"
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.stdout == "caf\\xe9 \\u2191\n", done.stderr


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("code", ["print('few')", "print('many' * 100_000)", "print('help'); raise SystemExit(0)"])
def test_a_command_whose_output_nobody_reads_ends_without_a_word(code, unbuffered):
    done = run_unread(code, unbuffered)
    assert done.stderr == "" and done.returncode in (0, 128 + signal.SIGPIPE)


def test_mistakes_are_told_though_nobody_reads_the_output():
    assert run_unread("print('few'); raise ValueError('wrong')", "").stderr == "error: wrong\n"


def test_another_pipe_that_breaks_is_no_quiet_end():
    code = "import os; left, right = os.pipe(); os.close(left); os.write(right, b'a')"
    with pytest.raises(BrokenPipeError):
        cli.run(lambda: exec(code))


def run_unread(code, unbuffered):
    """Run code as a command that writes to a pipe which is closed at its other end."""
    left, right = os.pipe()
    os.close(left)
    command = [sys.executable, "-c", f"from pipeline_lib.jobs.cli import run; run(lambda: exec({code!r}))"]
    environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    with os.fdopen(right, "wb") as output:
        return subprocess.run(command, cwd=ROOT, env=environment, stdout=output, stderr=subprocess.PIPE, text=True)


def test_commands_of_tests_are_those_beside_the_interpreter_without_the_users_profile():
    """The file of fixtures puts their folder first on PATH."""
    code = "import os, shutil, sys; sys.path.insert(0, 'tests'); import conftest; print(shutil.which('snakemake')); "
    code += "print(os.environ.get('SNAKEMAKE_PROFILE'))"
    environment = {"PATH": "/usr/bin:/bin", "HOME": "/tmp", "PYTHONPATH": ".", "SNAKEMAKE_PROFILE": "slurm"}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True)
    program = os.path.join(os.path.dirname(sys.executable), "snakemake")
    assert done.stdout.split() == [program, "None"], done.stderr
