"""CREPE-Negate in the layout in which it is distributed: captions, triplets, and regions cut out of images."""

import io
import zipfile

import pytest
from conftest import call, jpeg_bytes
from PIL import Image

from pipeline_lib.formats.crepe import captions_files, read_crepe
from pipeline_lib.jobs.files import read_parquet
from pipeline_lib.readers.pool import read_pool
from pipeline_lib.shards import crepe

HEADER = "Unnamed: 0,image_id,region_id,caption,x,y,width,height,hard_negs"
NEGATIVES = '"[\'no dog, on a ""red"" sofa\', ""a dog isn\'t on a sofa""]"'


def write_captions(folder, complexity=4, rows=None, header=HEADER):
    """Write the nine files with a row each; in one of them other rows or another header."""
    folder.mkdir(exist_ok=True)
    for number, path in enumerate(captions_files(str(folder)), 4):
        row = f'0,{number},12,"a dog, on a ""red"" sofa",2,3,10,8,{NEGATIVES}'
        mine = number == complexity
        lines = [header if mine else HEADER, *(rows if mine and rows is not None else [row])]
        with open(path, "w") as content:
            content.write("\n".join(lines) + "\n")
    return folder


@pytest.fixture
def images(tmp_path):
    """Visual Genome's two folders, with an image per file of captions."""
    root = tmp_path / "visual-genome"
    for number in range(4, 13):
        folder = root / ("VG_100K" if number % 2 else "VG_100K_2")
        folder.mkdir(parents=True, exist_ok=True)
        pixels = Image.frombytes("RGB", (40, 30), bytes((place * number) % 256 for place in range(40 * 30 * 3)))
        pixels.save(folder / f"{number}.jpg", quality=95)
    return root


def pool(*paths, **options):
    """The samples of the reader."""
    return read_pool("crepe", paths, **options)


def test_rows_of_all_files_are_read_in_order(tmp_path):
    regions = read_crepe(write_captions(tmp_path / "negate"))
    assert [region.key for region in regions] == [f"{complexity:02d}-00000" for complexity in range(4, 13)]
    negatives = ['no dog, on a "red" sofa', "a dog isn't on a sofa"]
    assert regions[1][1:5] == ("5", (2, 3, 10, 8), 'a dog, on a "red" sofa', negatives)


def test_the_first_hard_negative_makes_the_triplet_and_too_long_ones_are_counted(tmp_path, capsys):
    rows = [f"{n},7,1,a dog,0,0,9,9,\"['{'not ' * words}a dog', 'no dog']\"" for n, words in enumerate((73, 74, 1))]
    folder, output = write_captions(tmp_path / "negate", complexity=7, rows=rows), tmp_path / "crepe.parquet"
    assert call(crepe.main, "--captions", folder, "--output", output) is None
    assert capsys.readouterr().out == "10 triplets, 1 rows too long\n"
    triplets = read_parquet(output)
    assert triplets["key"].tolist()[3:5] == ["07-00000", "07-00002"] and len(triplets) == 10
    assert triplets.iloc[4].to_dict() == {"key": "07-00002", "caption": "a dog", "negated_caption": "not a dog"}


def test_whole_numbers_as_pandas_writes_them_beside_an_empty_cell(tmp_path):
    rows = ["0,7.0,1,a dog,2.0,3.0,9.0,8.0,['no dog']"]
    region = read_crepe(write_captions(tmp_path / "negate", rows=rows))[0]
    assert (region.image_id, region.box) == ("7", (2, 3, 9, 8))


@pytest.mark.parametrize(
    ("rows", "header", "message"),
    [
        (["0,../5,1,a dog,0,0,9,9,['no dog']"], HEADER, r"complexity_6\.csv, line 2: expected an image_id of digits"),
        (["0,5,1,a dog,0,0,9,0,['no dog']"], HEADER, "line 2: expected a region of a pixel at least, found 9 × 0"),
        (["0,5,1,a dog,0,0.5,9,9,['no dog']"], HEADER, "line 2: expected whole pixels, found .*'y': '0.5'"),
        (["0,5,1, ,0,0,9,9,['no dog']"], HEADER, "line 2: expected a caption, found none"),
        (["0,5,1,a dog,0,0,9,9,open('executed')"], HEADER, "line 2: expected a list of texts"),
        ([], HEADER, r"complexity_6\.csv: expected at least one row, found none"),
        (None, HEADER.replace("hard_negs", "negatives"), "line 1: expected the columns image_id, x, y"),
    ],
)
def test_a_row_that_does_not_fit_is_named(tmp_path, rows, header, message):
    folder = write_captions(tmp_path / "negate", complexity=6, rows=rows, header=header)
    with pytest.raises(ValueError, match=message):
        read_crepe(folder)


def test_a_missing_file_is_named(tmp_path):
    folder = write_captions(tmp_path / "negate")
    (folder / captions_files(str(folder))[5]).unlink()
    with pytest.raises(FileNotFoundError, match=r"complexity_9\.csv: CREPE-Negate has a file per complexity"):
        read_crepe(folder)
    with pytest.raises(FileNotFoundError, match=r"complexity_9\.csv: no such file or folder"):
        pool(folder, tmp_path)


def test_regions_are_cut_out_of_folders_and_zips(tmp_path, images):
    # The last one reaches beyond its image on two sides.
    folder = write_captions(tmp_path / "negate", complexity=12, rows=["0,12,1,a dog,-2,25,10.0,8,['no dog']"])
    samples = pool(folder, images)
    assert [sample.key for sample in samples] == [region.key for region in read_crepe(folder)]
    assert Image.open(io.BytesIO(samples[0].read())).format == "PNG"  # without loss
    for number, sample in enumerate(samples, 4):
        (path,) = images.glob(f"*/{number}.jpg")
        crop = sample.decode(sample.read())
        if number < 12:
            assert crop.tobytes() == Image.open(path).crop((2, 3, 12, 11)).tobytes()
        else:
            assert crop.size == (10, 8)
            assert crop.crop((2, 0, 10, 5)).tobytes() == Image.open(path).crop((0, 25, 8, 30)).tobytes()
            assert crop.crop((0, 0, 2, 8)).getcolors() == [(16, (0, 0, 0))]
    zips = [tmp_path / "images.zip", tmp_path / "images2.zip"]
    for path, name in zip(zips, ("VG_100K", "VG_100K_2"), strict=True):
        with zipfile.ZipFile(path, "w") as archive:
            for image in (images / name).iterdir():
                archive.write(image, f"{name}/{image.name}")
    assert [sample.read() for sample in pool(folder, *zips)] == [sample.read() for sample in samples]
    parts = [sample.key for part in range(4) for sample in pool(folder, images, part=part, parts=4)]
    assert parts == [sample.key for sample in samples]


def test_an_image_that_is_missing_twice_there_broken_or_too_small_is_named(tmp_path, images):
    folder = write_captions(tmp_path / "negate")
    (images / "VG_100K" / "7.jpg").write_bytes(jpeg_bytes(size=(2, 2)))
    (images / "VG_100K_2" / "8.jpg").write_bytes(jpeg_bytes()[:200])
    samples = pool(folder, images)
    with pytest.raises(ValueError, match=r"complexity_7\.csv, line 2: the region \(2, 3, 10, 8\) is not in VG_100K/7"):
        samples[3].read()
    with pytest.raises(ValueError, match=r"8\.jpg: the image of sample 8 does not decode"):
        samples[4].read()
    (images / "VG_100K_2" / "10.jpg").rename(images / "VG_100K" / "4.jpg")
    with pytest.raises(ValueError, match=r"expected one image of each name, found 'VG_100K_2/4\.jpg' beside 'VG_100K/"):
        pool(folder, images)
    (images / "VG_100K" / "4.jpg").unlink()
    with pytest.raises(FileNotFoundError, match=r"expected the image 10\.jpg of .*complexity_10\.csv, line 2"):
        pool(folder, images)
