"""Which files CREPE-Negate has, and their columns: as its authors distribute them, and as the miniature writes them.

In the folder ``prod_hard_negatives/negate`` there is a CSV file per complexity, the number of objects, attributes and
relations in a caption.
"""

COMPLEXITIES = range(4, 13)
BOX = ("x", "y", "width", "height")
COLUMNS = ("image_id", *BOX, "caption", "hard_negs")


def captions_files(folder: str) -> list[str]:
    """Return the CSV files of the folder, by complexity."""
    return [f"{folder}/prod_vg_hard_negs_negate_complexity_{complexity}.csv" for complexity in COMPLEXITIES]
