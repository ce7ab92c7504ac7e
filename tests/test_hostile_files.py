"""Files of absurd size, depth or numbers are refused at once, in one line that states the limit."""

import gzip
import io
import json
import os
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from osarbench.errors import OsarbenchError
from osarbench.interfaces.clip import ClipSpec
from osarbench.protocols import protocol, strict_toml
from osarbench.protocols.clips import clip_spec
from osarbench.published import importing

DIGITS = "9" * 5000
DEEP = 20_000
HEADER = "video,role,source,label,predicted,confidence,uncertainty"


def npy(shape: str, descr: str = "'<f8'") -> bytes:
    """An array's header of any shape, with eight bytes of data."""
    header = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}}}\n".encode()
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + bytes(8)


def archive(folder: Path, *members: bytes) -> Path:
    with zipfile.ZipFile(folder / "scores.npz", "w", zipfile.ZIP_DEFLATED) as opened:
        for number, member in enumerate(members):
            opened.writestr(f"ind_unctt_{number}.npy", member)
    return folder / "scores.npz"


def huge_zip(folder: Path) -> Path:
    """An archive of an array of zeros, a thousandth of its size."""
    buffer = io.BytesIO()
    np.save(buffer, np.zeros(20_000_000))
    return archive(folder, buffer.getvalue())


def text(name: str, content: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        (folder / name).write_text(content)
        return folder / name

    return make


def sparse(name: str, start: bytes, size: int) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        with (folder / name).open("wb") as opened:
            opened.write(start)
            opened.truncate(size)
        return folder / name

    return make


def gzip_bomb(folder: Path) -> Path:
    with gzip.open(folder / "scores.csv.gz", "wb", compresslevel=1) as opened:
        opened.write(f"{HEADER}\n".encode())
        for _ in range(200):
            opened.write(bytes(2**20))
    os.rename(folder / "scores.csv.gz", folder / "scores.csv")  # a suffix proves nothing
    return folder / "scores.csv"


def predictions(score: str = "[0.5, 0.5]", label: str = "0") -> str:
    return f'[{{"pred_score": {score}, "gt_label": {label}}}]'


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (lambda folder: archive(folder, npy("(1099511627776,)")), "states 8,796,093,022,208 bytes, and "),
        (lambda folder: archive(folder, npy(f"({2**62}, {2**62})")), "are there"),
        (lambda folder: archive(folder, npy("(-5,)")), "are there"),
        (lambda folder: archive(folder, npy(f"({10**12},)", "'<U0'")), "states 0 bytes"),
        (lambda folder: archive(folder, npy("(2,)", "('<f8', (1000000000,))")), "scores.npz"),
        (lambda folder: archive(folder, *[npy("(1,)")] * 1001), "holds 1,001 arrays .* no more than 1,000"),
        (huge_zip, "160,000,128 bytes in [0-9,]+ compressed ones, which no scores do; 200 times"),
        (text("scores.json", "[" * DEEP + "]" * DEEP), "nested too deeply"),
        (text("scores.json", predictions(DIGITS)), "4300 digits"),
        (text("scores.json", predictions(f"[{'9' * 4000}, 0.5]")), "not number lists of one length"),
        (text("scores.json", predictions(label="9" * 4000)), "scores.json"),
        (text("scores.json", predictions(label="1e300")), "not whole class numbers"),
        (text("scores.json", predictions(label="[[[[1, 2]]]]")), "must be one class number"),
        (sparse("scores.json", b"[", 2**31), "has 2,147,483,648 bytes, and no more than 1,073,741,824 are read"),
        (text("scores.csv", ",".join(["a"] * 200_000) + "\n1"), "200,000 columns"),
        (text("scores.csv", ";".join(["a"] * 900) + "\n1"), "900 columns, and no more than 100"),
        (text("scores.csv", f"{HEADER}\n{'x' * 10_000}"), "bytes in row"),
        (gzip_bomb, "compressed ones"),
        (text("scores.csv", f"{HEADER}\na,known,s,1,1,0.5,0.5,\nb,unknown,s,1,1,0.5,0.5,\n"), "Row 1 of .* 8 fields"),
        (text("scores.csv", "label;pred;unctt;role\n1;1;0;known;9\n"), "Row 1 of .* has 5 fields, and .* names 4"),
    ],
)
def test_an_absurd_score_file_is_refused_at_once(make: Callable[[Path], Path], complaint: str, tmp_path: Path) -> None:
    file = make(tmp_path)
    started = time.process_time()
    with pytest.raises(OsarbenchError, match=complaint) as raised:
        importing.load([file, file] if file.suffix == ".json" else [file])
    assert time.process_time() - started < 3
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 700


PROTOCOL = """
title = "small"
{top}
[known]
dataset = "motion"
train = ["train"]
test = ["test"]
[[unknown]]
dataset = "motion"
splits = ["near"]
[training]
epochs = {epochs}
batch_size = {batch_size}
learning_rate = {rate}
[clips]
{clips}
"""


def written(folder: Path, name: str = "small.toml", **stated: object) -> str:
    values = {"top": "", "epochs": 1, "batch_size": 4, "rate": 0.1, "clips": ""} | stated
    (folder / name).write_text(PROTOCOL.format(**values))
    return str(folder / name)


@pytest.mark.parametrize(
    ("stated", "complaint"),
    [
        ({"batch_size": 10**19}, "whole number of 64 bits"),
        (
            {"batch_size": 10**12},
            r"\[training\] batch_size = 1000000000000 is wrong: input should be less than or equal",
        ),
        ({"epochs": DIGITS}, "4300 digits"),
        ({"rate": f"0x{'f' * 5000}"}, "whole number of 20000 bits"),
        ({"clips": "segments = 1000000000"}, "16,000,000,000 frames in a view, and 10,000 are the most"),
        ({"clips": "test_clips = 1000000000"}, "test views, and 1,000 are the most"),
        ({"clips": "size = 1000000000"}, "pixels along a side, and 10,000 are the most"),
        ({"clips": f"jitter = {'[' * DEEP}{']' * DEEP}"}, "nested more than 32 tables or lists deep"),
        ({"clips": f"{'.'.join(['a'] * 500)} = 1"}, "nested more than 32 tables or lists deep"),
        ({"top": f"# {'x' * 2**20}"}, "no more than 1,048,576 are read"),
    ],
)
def test_an_absurd_protocol_is_refused_at_once(stated: dict[str, Any], complaint: str, tmp_path: Path) -> None:
    started = time.process_time()
    with pytest.raises(OsarbenchError, match=complaint) as raised:
        protocol.read(written(tmp_path, **stated))
    assert time.process_time() - started < 3
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("name", ["...toml", ".toml", ".hidden.toml", "a\nb.toml"])
def test_a_protocol_whose_name_is_no_folder_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(OsarbenchError, match="The name of a protocol is the name of a folder, and .* is none"):
        protocol.read(written(tmp_path, name))


def test_what_is_no_absurdity_is_read(tmp_path: Path) -> None:
    assert protocol.read(written(tmp_path, "my own protocol v1.2.toml", batch_size=1_000_000)).name
    assert clip_spec(ClipSpec(), {"segments": 25, "frames": 64}, "here").length == 1600
    assert strict_toml.read(Path(text("a.toml", "[a.b.c.d]\ne = [[[1]]]")(tmp_path)))["a"]


def test_a_list_of_classes_with_a_number_of_many_digits_is_a_list_of_names(tmp_path: Path) -> None:
    (tmp_path / "classes.txt").write_text(f"{DIGITS} jump")
    assert importing.read_classes(tmp_path / "classes.txt") == [f"{DIGITS} jump"]


def test_json_that_is_deep_but_sound_is_no_crash(tmp_path: Path) -> None:
    (tmp_path / "scores.json").write_text(
        json.dumps([{"pred_score": json.loads("[" * 500 + "]" * 500), "gt_label": 1}])
    )
    with pytest.raises(OsarbenchError, match=r"scores.json"):
        importing.load([tmp_path / "scores.json"] * 2)
