"""Files that are written whole or not at all."""

import pytest

from skdl._whole_files import write_whole


def test_a_link_stays_a_link_to_what_is_written(tmp_path):
    (tmp_path / "v3").write_bytes(b"before")
    (tmp_path / "latest").symlink_to("v3")
    write_whole(tmp_path / "latest", b"after")
    assert (tmp_path / "latest").is_symlink()
    assert (tmp_path / "v3").read_bytes() == b"after"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["latest", "v3"]


def test_folders_are_refused_in_words(tmp_path):
    with pytest.raises(IsADirectoryError, match=r"is a folder\. Expected the path of a file"):
        write_whole(tmp_path, b"")
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        write_whole(tmp_path / "missing" / "file", b"")
