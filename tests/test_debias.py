"""DEAR's debiasing branches and HSIC against its own values."""

from pathlib import Path

import pytest
import torch

from osarbench.errors import OsarbenchError
from osarbench_plugins.methods._ced import Debiasing, shuffled_frames
from osarbench_plugins.methods._debias import DebiasBranches, alternating_terms, contrastive_terms, joint_terms
from osarbench_plugins.methods._hsic import hsic, hsic_unbiased

LABELS = torch.tensor([0, 1, 2, 0, 1])


def test_hsic_has_the_published_values_and_gradient(shared: Path) -> None:
    reference = torch.load(shared / "data/parity/losses/hsic.pt", weights_only=True)
    for pair in ("ab", "ac", "aa"):
        case = reference[pair]
        first = case["x"].clone().requires_grad_()
        biased = hsic(first, case["y"])
        biased.backward()
        torch.testing.assert_close(biased, case["biased"], atol=1e-6, rtol=1e-5)
        torch.testing.assert_close(first.grad, case["biased_grad_x"], atol=1e-6, rtol=1e-4)
        unnormalised = hsic_unbiased(case["x"], case["y"], normalised=False)
        torch.testing.assert_close(hsic_unbiased(case["x"], case["y"]), case["unbiased"], atol=1e-6, rtol=1e-4)
        torch.testing.assert_close(unnormalised, case["unbiased_alternative_unnormalised"], atol=1e-4, rtol=1e-4)


def test_hsic_of_fewer_than_four_samples_is_zero() -> None:
    values = torch.eye(3)
    assert hsic(values, values) == hsic_unbiased(values, values) == 0


def test_the_unbiased_estimate_is_not_rounded_by_half_precision() -> None:
    first, second = torch.randn(2, 16, 5, generator=torch.Generator().manual_seed(0))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rounded = hsic_unbiased(first, second)
    assert rounded.item() == hsic_unbiased(first, second).item()


def test_hsic_of_samples_infinitely_far_apart_is_one_over_n_minus_one() -> None:
    values = 1e6 * torch.eye(8)  # the kernel is the identity
    assert hsic(values, values).item() == pytest.approx(1 / 7)


def test_branches_have_the_published_losses_gradients_and_running_statistics(shared: Path) -> None:
    for case in torch.load(shared / "data/parity/losses/debias_head.pt", weights_only=True):
        branches = reference_branches(case)
        values = case["x"].clone().requires_grad_()
        maps = values if case["input_kind"] == "3d" else values.unflatten(0, (-1, case["num_segs"])).transpose(1, 2)
        outputs = branches(maps, case["perm"].tolist())
        if case["alternative"]:
            terms = alternating_terms(outputs, case["target"], clamp=10.0, step=case["iter"])
        else:
            terms = joint_terms(outputs, case["target"], clamp=10.0)
        (0.1 * sum(terms.values())).backward()
        assert set(terms) == set(case["losses"])
        for name, term in terms.items():
            torch.testing.assert_close(0.1 * term, case["losses"][name].mean(), atol=2e-6, rtol=1e-4)
        torch.testing.assert_close(values.grad, case["grad_x"], atol=1e-8, rtol=1e-4)
        for name, parameter in branches.named_parameters():
            torch.testing.assert_close(parameter.grad, case["grads"][name], atol=1e-7, rtol=1e-4)
        for name, statistic in case["state_after"].items():
            torch.testing.assert_close(branches.state_dict()[name], statistic)


def reference_branches(case: dict) -> DebiasBranches:
    branches = DebiasBranches(
        8,
        11,
        temporal_kernel=case["kernel"][0],
        bias_input=case["bias_input"],
        bias_network=case["bias_network"],
        dropout=0.0,
    )
    branches.load_state_dict({key: case["state_dict"][key] for key in branches.state_dict()})
    return branches.train(case["mode"] == "train")


def test_only_the_temporal_kernel_sees_the_order_of_frames() -> None:
    torch.manual_seed(0)
    maps, order = torch.randn(4, 6, 5, 4, 4), [3, 1, 0, 4, 2]
    for kernel, sees in ((1, False), (3, True)):
        branches = DebiasBranches(6, 3, temporal_kernel=kernel).eval()
        branches.f2_conv3d.load_state_dict(branches.f1_conv3d.state_dict())
        outputs = branches(maps, order)
        assert outputs.h is not None
        assert torch.allclose(outputs.f.features, outputs.h.features, atol=1e-5) is not sees


@pytest.mark.parametrize(("step", "trained", "frozen"), [(0, "f2", "f1"), (1, "f1", "f2")])
def test_alternating_steps_send_the_dependence_to_one_side_only(step: int, trained: str, frozen: str) -> None:
    torch.manual_seed(0)
    branches = DebiasBranches(6, 3, dropout=0.0)
    outputs = branches(torch.randn(5, 6, 4, 4, 4), [1, 0, 3, 2])
    terms = alternating_terms(outputs, torch.tensor([0, 1, 2, 0, 1]), clamp=10.0, step=step)
    terms["loss_hsic"].backward()
    gradients = {name: parameter.grad for name, parameter in branches.named_parameters()}
    assert gradients[f"{trained}_conv3d.conv.weight"] is not None
    assert gradients[f"{frozen}_conv3d.conv.weight"] is None


def gradients(branches: DebiasBranches, term: torch.Tensor) -> set[str]:
    branches.zero_grad()
    term.backward(retain_graph=True)
    return {name[:2] for name, parameter in branches.named_parameters() if parameter.grad is not None}


def test_the_papers_dependence_is_smaller_for_f_and_larger_for_the_others_each_alone() -> None:
    torch.manual_seed(0)
    branches = DebiasBranches(6, 3, temporal_padding=1, dropout=0.0)
    outputs = branches(torch.randn(5, 6, 4, 4, 4), [1, 0, 3, 2])
    terms = contrastive_terms(outputs, LABELS, clamp=10.0)
    assert gradients(branches, terms["loss_unbias_hsic"]) == {"f1"}
    assert gradients(branches, terms["loss_bias1_hsic"]) == {"f2"}
    assert gradients(branches, terms["loss_bias2_hsic"]) == {"f3"}
    assert outputs.h is not None
    torch.testing.assert_close(terms["loss_bias1_hsic"], -hsic_unbiased(outputs.f.features, outputs.h.features))
    torch.testing.assert_close(terms["loss_unbias_hsic"], -terms["loss_bias1_hsic"] - terms["loss_bias2_hsic"])


def test_corrected_debiasing_makes_f_independent_and_the_released_one_does_not() -> None:
    def dependence_after(version: str) -> float:
        torch.manual_seed(0)
        debiasing = Debiasing(6, 3, version=version, loss_factor=1.0, dropout=0.0)
        optimizer = torch.optim.Adam(debiasing.branches.f1_conv3d.parameters(), lr=0.01)
        maps, labels = torch.randn(24, 6, 4, 4, 4), torch.arange(24) % 3
        for step in range(40):
            terms = debiasing(maps, labels, step)
            optimizer.zero_grad()
            sum(term for name, term in terms.items() if name.endswith("hsic")).backward()
            optimizer.step()
        outputs = debiasing.branches(maps, shuffled_frames(4, seed=0, step=0))
        return hsic_unbiased(outputs.f.features, outputs.g.features).item()

    assert dependence_after("corrected") < 0.2 * dependence_after("head")


@pytest.mark.parametrize(("version", "least"), [("head", 3), ("legacy", 1), ("corrected", 1)])
def test_maps_of_too_few_frames_are_refused_with_what_to_do(version: str, least: int) -> None:
    debiasing = Debiasing(6, 3, version=version)
    debiasing(torch.randn(5, 6, least, 4, 4), LABELS, 0)
    if least > 1:
        with pytest.raises(OsarbenchError, match="needs feature maps of 3 frames or more; this backbone gives 2"):
            debiasing(torch.randn(5, 6, 2, 4, 4), LABELS, 0)


def test_the_shuffling_differs_from_step_to_step() -> None:
    assert len({tuple(shuffled_frames(8, seed=5, step=step)) for step in range(20)}) > 15
    assert sorted(shuffled_frames(8, seed=5, step=3)) == list(range(8))


def test_moved_frames_are_never_in_their_true_order() -> None:
    assert {tuple(shuffled_frames(2, seed=5, step=step)) for step in range(20)} == {(0, 1), (1, 0)}
    assert {tuple(shuffled_frames(2, seed=5, step=step, moved=True)) for step in range(20)} == {(1, 0)}
    assert shuffled_frames(1, seed=5, step=0, moved=True) == [0]


def test_a_restored_debiasing_shuffles_as_the_first_one() -> None:
    debiasing = Debiasing(6, 3, version="corrected", dropout=0.0)
    torch.manual_seed(debiasing.shuffle_seed + 1)
    restored = Debiasing(6, 3, version="corrected", dropout=0.0)
    assert restored.shuffle_seed != debiasing.shuffle_seed
    restored.load_state_dict(debiasing.state_dict())
    maps = torch.randn(5, 6, 4, 4, 4)
    mine, theirs = (list(one(maps, LABELS, 10).values()) for one in (debiasing, restored))
    assert all(torch.equal(first, second) for first, second in zip(mine, theirs, strict=True))


def test_every_term_of_the_branches_has_the_loss_factor() -> None:
    maps, found = torch.randn(5, 6, 4, 4, 4), []
    for factor in (1.0, 0.1):
        torch.manual_seed(3)
        debiasing = Debiasing(6, 3, version="corrected", loss_factor=factor, dropout=0.0)
        found.append(debiasing(maps, LABELS, 0))
    for name, term in found[0].items():
        torch.testing.assert_close(found[1][name], 0.1 * term)
