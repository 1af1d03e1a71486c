"""File formats that others defined: CC3M, annotations of benchmarks, COCO, CREPE, WebDataset tars, images.

Imports `jobs` alone; every stage may import it. A file that is missing is a `FileNotFoundError`; one that is damaged,
truncated, of another kind or made to do harm is a `ValueError`. The message names the file and the line, item or key,
and says what was expected and found. Docstrings do not repeat this.

The limits below are for files of others, in which a few bytes can claim any size: what is larger is refused unread.
"""

MAX_PIXELS = 1 << 26  # of an image: 200 MB decoded. Pillow itself warns of images a third larger
MAX_FILE_BYTES = 1 << 28  # of an image's file: ten times the largest in the benchmarks
MAX_TABLE_BYTES = 1 << 28  # of a file of labels, unpacked: the largest in the benchmarks, CIFAR's, has 31 MB
MAX_LINE_BYTES = 1 << 24  # of a row of a captions file, which may be compressed: far more than any row has
MAX_HEADER_BYTES = 1 << 20  # of a tar's extended header: a name, times, and what a Mac notes of a file
