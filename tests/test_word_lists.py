"""Text files of word lists and tables."""

from pipeline_lib.formats.word_lists import read_table, read_word_lists


def test_lists_and_tables_without_comments(tmp_path):
    (tmp_path / "words.txt").write_text("# what\n\n[pictures]\nphoto\nstill life\n# who\n[people]\nman\nman\n[none]\n")
    lists = read_word_lists(tmp_path / "words.txt")
    assert (lists.pictures, lists.people, lists.none) == ({"photo", "still life"}, {"man"}, frozenset())
    (tmp_path / "table.txt").write_text("# word, tags\n'\tPOS\t\n,\t,\tcomma\n")
    assert list(read_table(tmp_path / "table.txt")) == [["'", "POS", ""], [",", ",", "comma"]]
