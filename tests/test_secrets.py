"""An API key, an account and a home never reach what a job writes or says."""

import getpass
import json
import socket
from pathlib import Path

import pytest
from aiohttp import web
from chat_server import CAPTIONS, KEY, Server, flags
from conftest import call

from pipeline_lib.captions.negate import main
from pipeline_lib.jobs.run_record import RunRecord, baseline


async def refuses(body):
    return web.Response(status=401, text=f"bad key {KEY}; Authorization: Bearer {KEY}")


@pytest.mark.parametrize("fails", [False, True], ids=["answers", "refuses"])
def test_the_api_key_is_in_no_file_and_no_message(tmp_path, monkeypatch, capfd, fails):
    monkeypatch.setenv("CHAT_KEY", KEY)
    with Server() as server:
        if fails:
            server.faults.update({caption: [refuses] * 9 for caption in CAPTIONS})
        message = call(main, *flags(server.url, tmp_path, CAPTIONS, api_key_variable="CHAT_KEY"))
        assert server.requests
    assert ("status 401" in message) if fails else message is None
    assert (tmp_path / "out.parquet").is_file() is not fails
    said = "".join(capfd.readouterr()) + str(message)
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert KEY not in said and KEY.encode() not in written


def test_the_record_of_a_run_names_no_account_machine_or_home():
    record = json.dumps(RunRecord(baseline("a"), {"lr": 1e-6}).finish(), default=str)
    for private in (f"{getpass.getuser()}@", socket.gethostname(), str(Path.home()), str(Path.cwd())):
        assert private not in record
