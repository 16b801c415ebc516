"""Labels of faces and plates are read from a CSV file."""

from __future__ import annotations

from pathlib import Path

import pytest

from model_training.data.labelled_photos import PhotosError
from model_training.data.private_regions import of_subject, read_private_regions


def written(folder: Path, *lines: str) -> Path:
    path = folder / "regions.csv"
    path.write_text("\n".join(("photo,subject,corners", *lines)) + "\n")
    return path


def test_photos_have_their_outlines_and_some_have_none(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        'a,plate,"0.1,0.2 0.5,0.2 0.5,0.4 0.1,0.4"',
        'a,face,"0.6,0 0.8,0 0.7,0.3"',
        "b,,",
    )
    labels = read_private_regions(path)
    assert labels["b"] == ()
    (plate,) = of_subject(labels["a"], "plate")
    mask = plate.mask(100, 50)
    assert (mask.shape, mask[10, 10], mask[9, 10], mask[20, 50]) == ((50, 100), True, False, True)
    assert [region.subject for region in of_subject(labels["a"], "face")] == ["face"]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('a,car,"0,0 1,0 1,1"', "subject car is not one of face, plate"),
        ('a,plate,"0,0 1,0"', "fewer than 3 corners"),
        ('a,plate,"0,0 1,0 1,1.2"', "1,1.2 is not inside the photo"),
        ("a,plate,here", "line 2"),
    ],
)
def test_a_wrong_line_is_named(line: str, problem: str, tmp_path: Path) -> None:
    with pytest.raises(PhotosError, match=problem):
        read_private_regions(written(tmp_path, line))
    with pytest.raises(PhotosError, match="regions.csv, line 2: .*the columns are photo, subject"):
        read_private_regions(written(tmp_path, line))


def test_a_file_without_the_columns_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "regions.csv"
    path.write_text("id,box\n1,2\n")
    with pytest.raises(PhotosError, match="the columns are photo, subject, corners"):
        read_private_regions(path)
