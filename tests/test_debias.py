"""DEAR's debiasing branches and HSIC against its own values."""

from pathlib import Path

import pytest
import torch

from osarbench_plugins.methods._debias import (
    DebiasBranches,
    alternating_terms,
    hsic,
    hsic_unbiased,
    joint_terms,
)


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
