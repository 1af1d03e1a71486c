"""When a server is asked again: transient answers, back-off, and the header ``Retry-After``."""

import time
from email.utils import formatdate

import pytest

from pipeline_lib.jobs.retry import back_off_s, is_transient, parse_retry_after


def test_transient_statuses():
    transient = {status for status in range(100, 600) if is_transient(status)}
    assert transient == {407, 408, 421, 425, 429, *range(500, 600)}


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("", None),
        ("soon", None),
        ("1.5", None),
        ("7", 7),
        (" 7 ", 7),
        ("-7", 0),
        ("9" * 400, int("9" * 400)),
        ("9" * 5000, None),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0),
        ("Wed, 99 Oct 99999 99:99:99 GMT", None),
        ("Mon, 01 Jan 0001 00:00:00 -0000", 0),
    ],
)
def test_retry_after(header, seconds):
    assert parse_retry_after(header) == seconds


def test_retry_after_may_be_a_date_to_come():
    assert parse_retry_after(formatdate(time.time() + 3600, usegmt=True)) == pytest.approx(3600, abs=60)


def test_back_off_doubles_up_to_the_longest():
    assert [back_off_s(2, failures, longest_s=10) for failures in (1, 2, 3, 4, 5, 5000)] == [2, 4, 8, 10, 10, 10]
    assert back_off_s(2, 2, jitter=0.5) == 2
    assert back_off_s(0, 5000) == 0
