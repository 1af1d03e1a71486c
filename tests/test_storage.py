"""Files that the configuration names by an address: Snakemake's plugins copy them once, from S3 and over HTTP."""

import http.server
import threading
from pathlib import Path

import boto3
import pytest
import yaml
from conftest import ROOT
from moto.server import ThreadedMotoServer
from workflows import snakemake

from pipeline_lib.config.inputs import local_paths
from pipeline_lib.jobs.files import read_parquet

ROWS = "".join(f"a dog on a {place}\thttps://example.org/{place}.jpg\n" for place in ("sofa", "beach", "boat"))
NOWHERE = "http://127.0.0.1:1"
COPIES = "data/remote/s3/lab/cc3m/captions.tsv", "results/stored/captions/00000.parquet"


@pytest.fixture(scope="module")
def s3():
    """An S3 server with the bucket `lab`; returns its address."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "test")
        bucket = boto3.resource("s3", endpoint_url=f"http://{host}:{port}", region_name="us-east-1").Bucket("lab")
        bucket.create()
        bucket.put_object(Key="cc3m/captions.tsv", Body=ROWS.encode())
        yield f"http://{host}:{port}"
    server.stop()


class BreaksOff(http.server.BaseHTTPRequestHandler):
    """Answers with `ROWS`, the first time with half of them."""

    asked = 0

    def do_HEAD(self):
        self.send_response(200)
        self.send_header("Content-Length", str(len(ROWS)))
        self.end_headers()

    def do_GET(self):
        self.do_HEAD()
        BreaksOff.asked += 1
        self.wfile.write(ROWS.encode()[: len(ROWS) if BreaksOff.asked > 1 else len(ROWS) // 2])
        self.close_connection = True


@pytest.fixture
def web():
    """A web server that breaks off once; returns its address."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), BreaksOff)
    threading.Thread(target=server.serve_forever).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def run(folder, captions, *arguments, s3=NOWHERE):
    """Run Snakemake in a folder on a captions file."""
    config = {"run": "stored", "fetch": {"captions": captions, "parts": 1}}
    (folder / "stored.yaml").write_text(yaml.safe_dump(config))
    where = ("--snakefile", ROOT / "Snakefile", "--directory", folder, "--configfile", folder / "stored.yaml")
    asked = ("--cores", "1", "--storage-s3-endpoint-url", s3, "--storage-s3-retries", "0")
    return snakemake(*where, *asked, "--", *arguments)


def test_a_file_on_s3_is_copied_once_and_what_cannot_be_had_costs_no_finished_work(s3, tmp_path):
    done = run(tmp_path, "s3://lab/cc3m/captions.tsv", COPIES[1], s3=s3)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / COPIES[0]).read_text() == ROWS
    assert list(read_parquet(tmp_path / COPIES[1]).caption) == [row.split("\t")[0] for row in ROWS.splitlines()]
    assert not list(Path(tmp_path, ".snakemake").rglob("captions.tsv"))  # no second copy
    for address, server in (("s3://lab/other.tsv", s3), ("s3://lab/c.tsv", NOWHERE)):
        done = run(tmp_path, address, COPIES[1], s3=server)
        assert done.returncode != 0 and address in done.stderr
    done = run(tmp_path, "s3://lab/cc3m/captions.tsv", COPIES[1])  # the server is needed no more
    assert done.returncode == 0 and "Nothing to be done" in done.stderr


def test_a_file_comes_over_http_whole_or_not_at_all(web, tmp_path):
    copy = tmp_path / "data" / "remote" / web.replace("://", "/") / "captions.tsv"
    done = run(tmp_path, f"{web}/captions.tsv", copy.relative_to(tmp_path))
    assert done.returncode != 0 and f"{web}/captions.tsv" in done.stderr and "IncompleteRead" in done.stderr
    assert not copy.exists()
    done = run(tmp_path, f"{web}/captions.tsv", copy.relative_to(tmp_path))
    assert done.returncode == 0, done.stderr
    assert copy.read_text() == ROWS


@pytest.mark.parametrize("path", ["lab/a b.tsv", "lab/../c.tsv", "../c.tsv", "lab//c.tsv", "lab/c?x=1", "lab", "lab/."])
def test_an_address_that_is_no_plain_path_is_refused(path):
    with pytest.raises(ValueError, match="expected an address s3://BUCKET/KEY"):
        local_paths({"captions": f"s3://{path}"}, ROOT)
