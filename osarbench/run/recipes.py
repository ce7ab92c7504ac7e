"""What is trained, and how, where a run trains something else than its protocol says."""

from dataclasses import replace

from osarbench.protocols.protocol import FROZEN, Mode, Training

#: A head on a frozen backbone, as the protocols ``*-frozen`` state it.
PROBE = Training(
    mode="linear", epochs=50, batch_size=64, optimizer="adamw", learning_rate=1e-3, weight_decay=1e-2,
    decay_norms_and_biases=False, schedule="cosine", warmup_epochs=2.0, clip_norm=5.0,
)  # fmt: skip
#: Adapters and a head: fewer epochs, for each decodes and runs the whole network.
LORA = replace(PROBE, mode="lora", epochs=10, batch_size=16, learning_rate=5e-4, warmup_epochs=0.5)


def of_mode(stated: Training, mode: Mode) -> Training:
    """Return the recipe for a mode: the stated one if it is for this mode or can serve it, else the one of this file.

    What speaks of a backbone's parameters, or of its clips, is left out where it is not trained.
    """
    if mode in FROZEN:
        recipe = stated if stated.mode in FROZEN else PROBE
        rates = {name: rate for name, rate in recipe.lr_multipliers.items() if name.startswith("head.")}
        return replace(
            recipe, mode=mode, lr_multipliers=rates, frozen=(), freeze_batch_norm=False, multigrid=None, augment=None
        )
    if mode == "lora":
        return replace(stated if stated.mode == "lora" else LORA, freeze_batch_norm=True, frozen=())
    return stated if stated.mode == mode else replace(stated, mode=mode)
