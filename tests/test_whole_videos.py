"""Whole videos: every window through the network, aggregated a video at a time."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file
from test_run import request

from osarbench.data.clips import Loading, ViewClips
from osarbench.data.windows import WindowBatches, window_loader, window_starts
from osarbench.errors import OsarbenchError
from osarbench.interfaces.clip import ClipSpec
from osarbench.interfaces.frame_store import FrameStore
from osarbench.run import parts
from osarbench.run.fuse import FuseConfig, fuse
from osarbench.run.run import Entry, run

HERE = Path(__file__).parent


class Numbered(FrameStore):
    """Videos of given lengths; every pixel of frame t of video v is 40 v + t. It notes how many frames it gave."""

    def __init__(self, *lengths: int) -> None:
        self.lengths, self.most = lengths, 0

    def length(self, video: int) -> int:
        return self.lengths[video]

    def frames(self, video: int, indices: np.ndarray) -> np.ndarray:
        assert indices.max() < self.lengths[video]
        self.most = max(self.most, len(indices))
        values = (40 * video + indices).astype(np.uint8)
        return np.broadcast_to(values[:, None, None, None], (len(indices), 8, 8, 3)).copy()

    def digest(self, video: int) -> str:
        return str(video)


def windows(store: Numbered, spec: ClipSpec, stride: int, batch: int = 3) -> list[list[int]]:
    """Return [video, frame values...] of every window."""
    batches = WindowBatches(store, np.arange(len(store.lengths)), spec, stride=stride, batch=batch)
    found = []
    for which, clips in window_loader(batches, Loading(0, pin=False)):
        assert len(which) <= batch
        found += [[int(video), *clip[0, 0, :, 0, 0].tolist()] for video, clip in zip(which, clips, strict=True)]
    return found


SPEC = ClipSpec(frames=4, short_side=8, size=8, test_size=8)


def test_windows_begin_every_stride_and_the_last_ends_with_the_video() -> None:
    assert window_starts(16, 16, 16).tolist() == [0]
    assert window_starts(33, 16, 8).tolist() == [0, 8, 16, 17]
    assert window_starts(5, 1, 1).tolist() == [0, 1, 2, 3, 4]
    assert window_starts(5, 16, 4).tolist() == [0]


def test_batches_of_windows_are_those_of_the_videos_in_order_whatever_the_batch() -> None:
    expected = [[0, 0, 1, 2, 3], [0, 3, 4, 5, 6], [0, 5, 6, 7, 8], [1, 40, 41, 41, 41], [2, 80, 81, 82, 83]]
    for batch in (1, 2, 3, 100):
        assert windows(Numbered(9, 2, 4), SPEC, stride=3, batch=batch) == expected


def test_frames_of_a_window_are_as_far_apart_as_the_specification_says() -> None:
    spec = ClipSpec(frames=3, stride=2, short_side=8, size=8, test_size=8)
    assert windows(Numbered(6), spec, stride=1) == [[0, 0, 2, 4], [0, 1, 3, 5]]


def test_of_a_long_video_no_more_frames_are_read_at_once_than_a_batch_needs() -> None:
    store = Numbered(10_000)
    batches = WindowBatches(store, np.arange(1), SPEC, stride=1, batch=8)
    for position in range(5):
        batches[position]
    assert store.most == 8 + 4 - 1  # neighbouring windows share frames


def whole(folder: Path, cache: Path, average: str, stride: int = 1, **changes: object) -> Entry:
    (entry,) = run(request(folder, cache, "dnn", whole_videos=stride, average=average, **changes))
    return entry


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("whole")


def outputs(entry: Entry) -> np.ndarray:
    return np.load(entry.folder.parent / "outputs.npy")


@pytest.fixture(scope="module")
def kept(place: Path) -> tuple[Entry, dict[str, torch.Tensor]]:
    """The mean of logits of all windows, and the logits of every window."""
    entry = whole(place, place / "cache", "logits", keep_windows=True)
    return entry, load_file(entry.folder.parent / "windows.safetensors")


def test_every_average_follows_from_the_windows_logits(
    place: Path, kept: tuple[Entry, dict[str, torch.Tensor]]
) -> None:
    listed = parts.read(kept[0].folder.parent).rows.query("role != 'train'")
    names = (listed["source"] + "/" + listed["video"]).tolist()
    assert set(names) == set(kept[1])
    assert kept[1][names[0]].shape == (7, 3)  # ten frames, four a window
    by_hand = {
        "logits": lambda each: each.mean(dim=0),
        "probabilities": lambda each: each.softmax(dim=1).mean(dim=0).log(),
        "log-probabilities": lambda each: each.log_softmax(dim=1).sum(dim=0),
    }
    for average, formula in by_hand.items():
        entry = whole(place, place / "cache", average)
        expected = torch.stack([formula(kept[1][name].double()) for name in names])
        np.testing.assert_allclose(outputs(entry)[:, 0, 8:], expected, atol=1e-4)
        rows = pd.read_csv(entry.scores)
        np.testing.assert_allclose(rows["confidence"], expected.softmax(dim=1).amax(dim=1), atol=1e-4)


def test_networks_are_shared_with_runs_on_a_few_views(place: Path, kept: tuple[Entry, dict[str, torch.Tensor]]) -> None:
    network = kept[0].folder.parents[1] / "network.pt"
    before = network.stat().st_mtime_ns
    (views,) = run(request(place, place / "cache", "dnn"))
    assert views.folder.parent == network.parent
    assert network.stat().st_mtime_ns == before


def test_the_one_window_of_a_video_as_long_is_its_test_view() -> None:
    spec = ClipSpec(frames=4, short_side=8, size=8, test_size=8, test_clips=1)
    store = Numbered(4)
    view = ViewClips(store, np.arange(1), spec)[0]
    _, clips = WindowBatches(store, np.arange(1), spec, stride=1, batch=1)[0]
    assert torch.equal(view, clips[0])


def test_whole_videos_are_fused_as_views_are(place: Path, kept: tuple[Entry, dict[str, torch.Tensor]]) -> None:
    other = whole(place, place / "cache", "log-probabilities")
    pair = (kept[0].folder.parent, other.folder.parent)
    (entry,) = fuse(FuseConfig(runs=pair, methods=("dnn",), plugin_files=(HERE / "toy.py",), into=place / "fused"))
    np.testing.assert_allclose(
        outputs(entry)[:, 0, 16:], outputs(kept[0])[:, 0, 8:] + outputs(other)[:, 0, 8:], atol=1e-4
    )


def test_every_posthoc_method_that_fits_works_on_whole_videos(place: Path) -> None:
    (entry,) = run(request(place, place / "cache", "toy_nearest", whole_videos=4))
    assert np.isfinite(pd.read_csv(entry.scores)["uncertainty"]).all()
    assert (entry.folder.parent / "outputs-train.npy").is_file()


def test_an_average_without_whole_videos_is_refused(place: Path) -> None:
    with pytest.raises(OsarbenchError, match="add --whole-videos STRIDE"):
        run(request(place, place / "cache", "dnn", average="logits"))


def test_a_protocol_may_ask_for_whole_videos_and_another_stride_is_a_deviation(place: Path) -> None:
    text = (HERE / "toy.toml").read_text()
    file = place / "stated.toml"
    file.write_text(text + '\n[backbones.toy.whole_videos]\nstride = 4\naverage = "log-probabilities"\n')
    (stated,) = run(request(place, place / "cache", "dnn", protocol=str(file)))
    assert stated.folder.parent.name == "whole-4-log-probabilities"
    assert parts.read(stated.folder.parent).facts["deviations"] == {}
    (other,) = run(request(place, place / "cache", "dnn", protocol=str(file), whole_videos=2))
    assert parts.read(other.folder.parent).facts["deviations"] == {"whole_videos": "every 2 frames, log-probabilities"}
