"""What became of the links: a table and a figure of the report, from the fetch stage's ``summary.json``."""

import csv
import io

from matplotlib.figure import Figure

from pipeline_lib.fetch import FAILURES
from pipeline_lib.jobs.files import read_json
from pipeline_lib.paper.figures import style

HEADINGS = ["failure", "what it means", "asking again", "rows", "% of all"]
# How many are drawn: of the hosts the rest is one colour, of the classes the table has them all.
HOSTS, BARS = 4, 12
HOST_LOOKS = ((style.BLUE, ""), (style.ORANGE, "////"), (style.GREEN, "...."), (style.PURPLE, "xxxx"))


def read_summary(path: str) -> dict:
    """Read what `pipeline_lib.fetch.summary` wrote.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is something else.
    """
    content = read_json(path)
    needed = {"captions", "rows", "successes", "failures", "hosts", "duplicates"}
    if not isinstance(content, dict) or not needed <= content.keys():
        raise ValueError(
            f"{path}: expected a summary with {', '.join(sorted(needed))}; pipeline_lib.fetch.summary makes it"
        )
    return content


def failure_rows(summary: dict) -> list[tuple[str, str, str, int, float]]:
    """Return the table's rows, under `HEADINGS`."""
    return [
        (
            found["label"],
            FAILURES[found["failure"]],
            "pointless" if found["permanent"] else "may help",
            found["rows"],
            100 * found["rows"] / summary["rows"],
        )
        for found in summary["failures"]
    ]


def notes(summary: dict) -> list[str]:
    """Return sentences on the captions file, the images that were had, and those that several rows share."""
    captions, shared = summary["captions"], summary["duplicates"]
    share = summary["successes"] / max(summary["rows"], 1)
    return [
        f"{summary['successes']:,} of {summary['rows']:,} rows have an image ({share:.1%}).",
        f"The captions file is {captions['file']}, {captions['bytes']:,} bytes, sha256 {captions['sha256']}.",
        f"{shared['rows']:,} rows have an image that another row has too, {shared['placeholder_rows']:,} of them a "
        "host's placeholder for an image that is gone; they are listed in fetch/duplicates.parquet, and stay.",
    ]


def to_csv(summary: dict) -> str:
    """Return the table as CSV."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["failure", "permanent", "rows"])
    writer.writerows([found["label"], found["permanent"], found["rows"]] for found in summary["failures"])
    return text.getvalue()


def failures(drawn: Figure, summary: dict | None) -> None:
    """Draw failed rows by class as horizontal bars, stacked by host: the `HOSTS` with most of them, and all others.

    Without a summary there is nothing to draw: the images came with the released CC-Neg.
    """
    if summary is None:
        style.say_nothing_to_show(drawn, "This run fetched no images.")
        return
    totals: dict[str, int] = {}
    for found in summary["failures"]:
        totals[found["label"]] = totals.get(found["label"], 0) + found["rows"]
    if not totals:
        style.say_nothing_to_show(drawn, "Every row has an image.")
        return
    labels = sorted(totals, key=totals.get, reverse=True)
    axes = drawn.add_subplot()
    shown, left = labels[:BARS], [0] * min(len(labels), BARS)
    for host, (colour, hatch) in zip(summary["hosts"], HOST_LOOKS, strict=False):
        widths = [host["failures"].get(label, 0) for label in shown]
        look = {"color": colour, "hatch": hatch, "edgecolor": "white"}
        axes.barh(shown, widths, 0.7, left, label=host["host"], linewidth=0, **look)
        left = [before + width for before, width in zip(left, widths, strict=True)]
    others = [totals[label] - before for label, before in zip(shown, left, strict=True)]
    axes.barh(shown, others, 0.7, left, color="#bbbbbb", label="all others", linewidth=0)
    for place, label in enumerate(shown):
        axes.annotate(
            f"{totals[label]:,}", (totals[label], place), xytext=(3, 0), textcoords="offset points", va="center",
            fontsize=6,
        )  # fmt: skip
    axes.invert_yaxis()
    axes.margins(x=0.12)
    axes.grid(axis="y", visible=False)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel(f"rows without an image, of {summary['rows']:,}")
    axes.legend(loc="lower right")
