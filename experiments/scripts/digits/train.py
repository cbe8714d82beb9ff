"""Train a small network on real handwritten digits: the same script for four questions that come up every day.

How high may the learning rate be? Which batch size, with how many accumulation steps? What does activation
checkpointing save, and what does it cost? How long until an accuracy is reached, going on from the trial before?

This is an ordinary SageMaker training script. It runs by hand just as well: `python train.py --lr 0.1`.
"""

import argparse
import json
import os
import signal
import tarfile
import time
from pathlib import Path

for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")  # read when numpy is imported; more threads only slow matrices this small

import numpy as np  # noqa: E402


def load_digits_split():
    """Pixels in [-0.5, 0.5] and labels of scikit-learn's digits, split the same way every time."""
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(labels))
    train, test = np.split(order, [int(0.7 * len(order))])
    return pixels[train] / 16 - 0.5, labels[train], pixels[test] / 16 - 0.5, labels[test]


class Network:
    """Equal layers with residual connections between an input and an output layer, all trained with plain SGD."""

    def __init__(self, width, depth, rng):
        self.weights = [rng.normal(0, 64**-0.5, (64, width))]
        self.weights += [rng.normal(0, 0.5 * width**-0.5, (width, width)) for _ in range(depth)]
        self.weights += [rng.normal(0, width**-0.5, (width, 10))]
        self.peak = 0  # the most activation numbers that were kept at once

    def block(self, layer, x):
        """One residual layer."""
        return x + np.maximum(x @ self.weights[layer], 0)

    def segments(self, every):
        """The residual layers in groups; only what enters a group is kept. Without checkpointing a group is a layer."""
        layers = range(1, len(self.weights) - 1)
        return [layers[at : at + max(1, every)] for at in range(0, len(layers), max(1, every))]

    def logits(self, x):
        """What the network says."""
        x = x @ self.weights[0]
        for layer in range(1, len(self.weights) - 1):
            x = self.block(layer, x)
        return x @ self.weights[-1]

    def loss_and_gradients(self, x, labels, every=0):
        """Mean cross-entropy and its gradients. With `every` > 1 activations inside a group are computed again."""
        entering = [x @ self.weights[0]]
        for group in self.segments(every):
            inner = entering[-1]
            for layer in group:
                inner = self.block(layer, inner)
            entering.append(inner)
        top = entering.pop()
        shifted = top @ self.weights[-1]
        shifted = shifted - shifted.max(axis=1, keepdims=True)
        chances = np.exp(shifted)
        chances /= chances.sum(axis=1, keepdims=True)
        rows = np.arange(len(labels))
        loss = float(-np.log(chances[rows, labels]).mean())
        chances[rows, labels] -= 1
        slope = chances / len(labels)
        gradients = [np.empty(0)] * len(self.weights)
        gradients[-1] = top.T @ slope
        slope = slope @ self.weights[-1].T
        for group in reversed(self.segments(every)):
            kept = [entering[-1]]
            for layer in group[:-1]:
                kept.append(self.block(layer, kept[-1]))
            self.peak = max(self.peak, sum(a.size for a in entering) + sum(a.size for a in kept[1:]))
            for layer, below in zip(reversed(group), reversed(kept), strict=True):
                through = slope * (below @ self.weights[layer] > 0)
                gradients[layer] = below.T @ through
                slope = slope + through @ self.weights[layer].T
            entering.pop()
        gradients[0] = x.T @ slope
        return loss, gradients


def batches(count, size, rng):
    """A shuffled epoch in batches."""
    order = rng.permutation(count)
    return [order[at : at + size] for at in range(0, count - size + 1, size)]


def train_epoch(network, x, labels, args, rng):
    """One pass over the data; gradients of `accumulate` batches are averaged into one step. Returns the mean loss."""
    losses, waiting = [], []
    for batch in batches(len(labels), args.batch_size, rng):
        loss, gradients = network.loss_and_gradients(x[batch], labels[batch], args.checkpoint_every)
        losses.append(loss)
        waiting.append(gradients)
        if len(waiting) == args.accumulate:
            for weight, *parts in zip(network.weights, *waiting, strict=True):
                weight -= args.lr * sum(parts) / len(parts)
            waiting = []
    return float(np.mean(losses))


def evaluate(network, x, labels):
    """Loss and accuracy on data that was not trained on. A network that has left the numbers has no loss."""
    logits = network.logits(x)
    if not np.isfinite(logits).all():
        return float("nan"), 0.0
    shifted = logits - logits.max(axis=1, keepdims=True)
    chances = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return float(-chances[np.arange(len(labels)), labels].mean()), float((logits.argmax(axis=1) == labels).mean())


def take_over(network, channel):
    """Go on from the model of another job, when there is one: its model.tar.gz in an input channel."""
    archive = Path(channel, "model.tar.gz") if channel else None
    if archive is None or not archive.exists():
        return 0
    with tarfile.open(archive) as tar, tar.extractfile("weights.npz") as file, np.load(file) as saved:
        network.weights = [saved[f"layer{n}"] for n in range(len(network.weights))]
        return int(saved["epochs"])


def parse_arguments():
    """Hyperparameters and folders; an argument that is not known here is an error."""
    parser = argparse.ArgumentParser(description="A small network on handwritten digits.")
    parser.add_argument("--lr", type=float, default=0.1)
    parser.add_argument("--batch-size", "--batch_size", type=int, default=32)
    parser.add_argument("--accumulate", type=int, default=1, help="batches whose gradients make one step")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--depth", type=int, default=2, help="residual layers")
    parser.add_argument(
        "--checkpoint-every", "--checkpoint_every", type=int, default=0, help="layers in a group; 0: off"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--previous", default=os.environ.get("SM_CHANNEL_PREVIOUS"), help="folder with a model.tar.gz")
    parser.add_argument("--model-dir", type=Path, default=os.environ.get("SM_MODEL_DIR", "model"))
    return parser.parse_args()


def main():
    """One trial."""
    args = parse_arguments()
    stopped = []
    signal.signal(signal.SIGTERM, lambda *_: stopped.append(True))  # StopTrainingJob: finish the epoch and save
    np.seterr(all="ignore")  # a learning rate that is too high is a result, not an error
    x, labels, test_x, test_labels = load_digits_split()
    network = Network(args.width, args.depth, np.random.default_rng(args.seed))
    before = take_over(network, args.previous)
    print(f"epochs_before={before} steps_per_epoch={len(labels) // (args.batch_size * args.accumulate)}", flush=True)
    rng = np.random.default_rng([args.seed, before])
    started, done = time.perf_counter(), 0
    for epoch in range(args.epochs):
        train_loss = train_epoch(network, x, labels, args, rng)
        loss, accuracy = evaluate(network, test_x, test_labels)
        done = epoch + 1
        print(
            f"epoch={before + done} train_loss={train_loss:.4f} eval_loss={loss:.4f} eval_accuracy={accuracy:.4f}",
            flush=True,
        )
        if stopped or not np.isfinite(loss):
            break
    print(f"peak_activations={network.peak}", flush=True)
    print(f"seconds_per_epoch={(time.perf_counter() - started) / max(done, 1):.4f}", flush=True)
    args.model_dir.mkdir(parents=True, exist_ok=True)
    weights = {f"layer{n}": weight for n, weight in enumerate(network.weights)}
    np.savez(args.model_dir / "weights.npz", epochs=before + done, **weights)
    (args.model_dir / "settings.json").write_text(json.dumps({"width": args.width, "depth": args.depth}))


if __name__ == "__main__":
    main()
