"""Draw the README's moving picture: the loss of 50 networks, epoch by epoch, as they train.

python benchmarks/readme_animation.py

The networks are those of the README's first example. The picture plays once and stays on its last
frame.
"""

import io
from pathlib import Path

import matplotlib as mpl
import numpy as np
from PIL import Image
from sklearn.datasets import load_breast_cancer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skdl
from skdl.model_selection import cross_validate

mpl.use("Agg")
from matplotlib import pyplot as plt

PICTURE = Path(__file__).resolve().parents[1] / "docs" / "fifty_networks.gif"
TRAIN, TEST = "#0072b2", "#d55e00"  # Okabe and Ito
MILLISECONDS, LAST_FRAME = 90, 4000
N_COLOURS = 64
TICKS = (0.02, 0.05, 0.1, 0.2, 0.5)


def curves():
    """Return {"loss" and "test_loss": array of shape (50 networks, epochs)}."""
    X, y = load_breast_cancer(return_X_y=True)
    network = skdl.MLPClassifier(hidden_units=32, dropout=0.2, epochs=40, random_state=0)
    result = cross_validate(make_pipeline(StandardScaler(), network), X, y, n_iterations=10)
    table = result.histories
    return {
        name: table[table["metric"] == name]
        .pivot_table(index=["iteration", "fold"], columns="epoch", values="value")
        .to_numpy()
        for name in ("loss", "test_loss")
    }


def frame(losses, n_epochs, limits):
    """Return the picture after so many epochs."""
    figure, ax = plt.subplots(figsize=(7, 3), dpi=110, layout="constrained")
    epochs = np.arange(1, n_epochs + 1)
    shown = {"training rows": ("loss", TRAIN), "held-out rows": ("test_loss", TEST)}
    for label, (name, colour) in shown.items():
        values = losses[name][:, :n_epochs]
        ax.plot(epochs, values.T, color=colour, alpha=0.12, linewidth=0.8)
        ax.plot(epochs, values.mean(axis=0), color=colour, linewidth=2.2, label=label)
    ax.set_title(
        f"{len(losses['test_loss'])} networks, trained together: epoch {n_epochs}",
        loc="left",
        fontsize=11,
    )
    ax.set(xlim=(1, losses["test_loss"].shape[1]), ylim=limits, yscale="log")
    ax.set(xlabel="epoch", ylabel="cross-entropy")
    ax.set_yticks(TICKS, map(str, TICKS))
    ax.minorticks_off()
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(loc="upper right", frameon=False)
    file = io.BytesIO()
    figure.savefig(file)
    plt.close(figure)
    return Image.open(file).convert("RGB")


def main():
    """Train, draw, write."""
    losses = curves()
    every = np.concatenate([values.ravel() for values in losses.values()])
    limits = (min(TICKS[0], np.quantile(every, 0.005)), every.max())
    n_epochs = losses["test_loss"].shape[1]
    frames = [frame(losses, n, limits) for n in range(1, n_epochs + 1)]
    # One palette, from the frame that has everything.
    palette = frames[-1].quantize(N_COLOURS)
    first, *rest = [each.quantize(palette=palette, dither=Image.Dither.NONE) for each in frames]
    durations = [MILLISECONDS] * len(rest) + [LAST_FRAME]
    first.save(PICTURE, save_all=True, append_images=rest, duration=durations, optimize=True)
    print(f"{PICTURE}: {PICTURE.stat().st_size / 1024:.0f} KB, {len(frames)} frames")


if __name__ == "__main__":
    main()
