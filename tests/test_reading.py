"""Scores tables of other programs, or of somebody who means harm: read right, or refused in a line."""

import gzip
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from osarbench.commands.scores import evaluate
from osarbench.errors import OsarbenchError
from osarbench.scores import metrics, spelling
from osarbench.scores import table as tables

HEADER = "video,role,source,label,predicted,confidence,uncertainty"
ROWS = ["a,known,s/t,x,x,0.9,0.1", "b,known,s/t,y,y,0.8,0.2", "c,unknown,u/t,z,x,0.5,0.7", "d,unknown,u/t,w,y,0.4,0.9"]


def write(file: Path, *rows: str, header: str = HEADER) -> Path:
    file.write_text("\n".join([header, *(rows or ROWS)]) + "\n")
    return file


def complaint(file: Path, decimal: str = ".") -> str:
    with pytest.raises(OsarbenchError) as caught:
        tables.read(file, decimal=decimal)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_rows_that_end_with_a_comma_are_refused_and_not_read_a_column_to_the_right(tmp_path: Path) -> None:
    said = complaint(write(tmp_path / "a.csv", *(row + "," for row in ROWS)))
    assert "Row 1 of" in said
    assert "has 8 fields, and the header names 7: a,known,s/t,x,x,0.9,0.1,. It ends with a comma" in said


def test_decimal_commas_are_recognised_and_read_on_request(tmp_path: Path) -> None:
    expected = tables.read(write(tmp_path / "a.csv"))
    commas = write(tmp_path / "b.csv", *(row.replace("0.", "0,") for row in ROWS))
    assert "has 9 fields" in complaint(commas)
    assert "read it with --decimal ," in complaint(commas)
    assert tables.read(commas, decimal=",").equals(expected)
    semicolons = write(tmp_path / "c.csv", *(row.replace(",", ";").replace("0.", "0,") for row in ROWS),
                       header=HEADER.replace(",", ";"))  # fmt: skip
    assert "separated by semicolons are read with --decimal ," in complaint(semicolons)
    assert tables.read(semicolons, decimal=",").equals(expected)
    quoted = write(
        tmp_path / "d.csv", *(",".join(f'"{its}"'.replace("0.", "0,") for its in r.split(",")) for r in ROWS)
    )
    assert "--decimal ," in complaint(quoted)
    assert tables.read(quoted, decimal=",").equals(expected)


def test_one_decimal_comma_in_two_columns_is_refused_where_it_could_belong_to_either(tmp_path: Path) -> None:
    file = write(tmp_path / "a.csv", *(row.replace("0.9,", "1,").replace("0.", "0,") for row in ROWS))
    assert "It cannot be said which of its commas are decimal commas" in complaint(file, decimal=",")


def test_a_single_row_of_too_many_fields_is_named(tmp_path: Path) -> None:
    said = complaint(write(tmp_path / "a.csv", *ROWS[:2], "c,d,unknown,u/t,z,x,0.5,0.7"))
    assert "Row 3 of" in said
    assert "belongs in double quotes" in said


def test_classes_that_are_equal_numbers_are_one_class(tmp_path: Path) -> None:
    rows = ["a,known,s/t,3,3.0,0.9,0.1", "b,known,s/t,04,4,0.8,0.2", "c,unknown,u/t,9,3,0.5,0.7"]
    read = tables.read(write(tmp_path / "a.csv", *rows))
    assert metrics.evaluate(read).headline["closed_accuracy"] == 1
    assert read["predicted"].tolist() == ["3", "04", "3"]
    assert spelling.findings(read) == []


def test_classes_that_differ_in_case_or_blanks_are_said_and_not_merged(tmp_path: Path) -> None:
    rows = ["a,known,s/t,Apply Eye,applyeye,0.9,0.1", "b,known,s/t,v1.0,v1,0.8,0.2", "c,unknown,u/t,z,v1,0.5,0.7"]
    result = CliRunner().invoke(evaluate, [str(write(tmp_path / "a.csv", *rows))])
    assert "'applyeye' is predicted 1 times and 'Apply Eye' is a label: they differ in case or blanks" in result.stderr
    assert "v1" not in result.stderr
    assert metrics.evaluate(tables.read(tmp_path / "a.csv")).headline["closed_accuracy"] == 0


def bomb(folder: Path) -> Path:
    with gzip.open(folder / "a.csv.gz", "wb") as stream:
        for _ in range(300):
            stream.write(b"0" * 2**20)
    return folder / "a.csv.gz"


def wide(folder: Path) -> Path:
    return write(folder / "a.csv", header=HEADER + "".join(f",c{i}" for i in range(200_000)))


def long_number(folder: Path) -> Path:
    return write(folder / "a.csv", ROWS[0], ROWS[1] + "1" * 5000)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (bomb, "bytes in .* compressed ones, which is no scores table: at most 50 times its size"),
        (wide, "has 200,007 columns, which is no scores table: at most 100 are read"),
        (long_number, "has 5,0.. bytes in row 2, which is no scores table: at most 5,000 are read"),
    ],
)
def test_absurd_sizes_are_refused_at_once_by_a_stated_limit(tmp_path: Path, make: object, message: str) -> None:
    file = make(tmp_path)  # type: ignore[operator]
    begin = time.process_time()
    with pytest.raises(OsarbenchError, match=message):
        tables.read(file)
    assert time.process_time() - begin < 2


def test_facts_that_are_nested_too_deep_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('# {"a": ' + "[" * 20_000 + "\n" + HEADER)
    with pytest.raises(OsarbenchError, match="cannot be read"):
        tables.read_facts(tmp_path / "a.csv")
