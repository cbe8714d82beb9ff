"""Adapt a frozen digit classifier to a changed world with low-rank adapters: what does the rank buy?

A three-layer network is pre-trained on upright handwritten digits (the UCI set in scikit-learn) and then frozen.
The digits change (photographic negative, rotated, pixels shuffled) and the network fails. A trial learns only
W + (alpha / rank) A B on the chosen layers and prints how much of the accuracy came back.

This is an ordinary SageMaker training script. It runs by hand just as well: `python train.py --rank 4`.
"""

import argparse
import json
import os
import signal
import sys
import zlib
from pathlib import Path

for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")  # read when numpy is imported; more threads only slow matrices this small

import numpy as np  # noqa: E402

LAYERS = {"hidden1": (64, 128), "hidden2": (128, 128), "head": (128, 10)}
TASKS = {
    "upright": lambda x: x,
    "negative": lambda x: -x,
    "rotated": lambda x: np.rot90(x.reshape(-1, 8, 8), axes=(1, 2)).reshape(-1, 64),
    "shuffled": lambda x: x[:, np.random.default_rng(7).permutation(64)],
}
BASE_EPOCHS, BASE_LR, BATCH = 30, 1e-3, 64


def load_digits_split(folder):
    """Pixels in [-0.5, 0.5] and labels, split the same way every time: (train x, train y, test x, test y)."""
    if folder and (Path(folder) / "digits.csv").exists():
        table = np.loadtxt(Path(folder) / "digits.csv", delimiter=",")
        pixels, labels = table[:, :-1], table[:, -1].astype(int)
    else:
        from sklearn.datasets import load_digits

        pixels, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(labels))
    train, test = np.split(order, [int(0.7 * len(order))])
    return pixels[train] / 16 - 0.5, labels[train], pixels[test] / 16 - 0.5, labels[test]


def forward(model, x):
    """The input and the output of every layer, in order; the last one holds the logits."""
    outputs = [x]
    for layer in LAYERS:
        x = x @ model[layer] + model[layer + ".bias"]
        if layer != "head":
            x = np.maximum(x, 0)
        outputs.append(x)
    return outputs


def loss_and_gradients(model, x, labels):
    """Mean cross-entropy of a batch and its gradient for every tensor of the model."""
    *inputs, logits = forward(model, x)
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    rows = np.arange(len(labels))
    delta = np.exp(log_p)
    delta[rows, labels] -= 1
    delta /= len(labels)
    gradients = {}
    for layer, given in reversed(list(zip(LAYERS, inputs, strict=True))):
        gradients[layer], gradients[layer + ".bias"] = given.T @ delta, delta.sum(axis=0)
        delta = (delta @ model[layer].T) * (given > 0)
    return -log_p[rows, labels].mean(), gradients


def accuracy(model, x, labels):
    """The share of digits recognised."""
    return float((forward(model, x)[-1].argmax(axis=1) == labels).mean())


class Adam:
    """Kingma and Ba 2015, over a dictionary of tensors that it changes in place."""

    def __init__(self, tensors):
        self.tensors, self.steps = tensors, 0
        self.mean = {name: np.zeros_like(t) for name, t in tensors.items()}
        self.square = {name: np.zeros_like(t) for name, t in tensors.items()}

    def step(self, gradients, lr):
        """One update of every tensor."""
        self.steps += 1
        for name, tensor in self.tensors.items():
            g = gradients[name]
            self.mean[name] += 0.1 * (g - self.mean[name])
            self.square[name] += 0.001 * (g * g - self.square[name])
            unbiased = np.sqrt(self.square[name] / (1 - 0.999**self.steps)) + 1e-8
            tensor -= lr * self.mean[name] / (1 - 0.9**self.steps) / unbiased


class LowRank:
    """LoRA (Hu et al. 2021): W + (alpha / rank) A B with W frozen, A random and B zero, so nothing changes at first."""

    def __init__(self, base, targets, rank, alpha, rng):
        self.base, self.targets, self.scale = base, targets, alpha / rank
        self.tensors = {}
        for layer in targets:
            rows, columns = base[layer].shape
            self.tensors[layer + ".A"] = rng.normal(0, rows**-0.5, (rows, rank))
            self.tensors[layer + ".B"] = np.zeros((rank, columns))

    def merged(self):
        """The model with the adapters added in."""
        t = self.tensors
        return self.base | {n: self.base[n] + self.scale * t[n + ".A"] @ t[n + ".B"] for n in self.targets}

    def loss_and_gradients(self, x, labels):
        """As the function of that name, but for the adapters alone: the chain rule through scale * A B."""
        loss, full = loss_and_gradients(self.merged(), x, labels)
        gradients = {}
        for n in self.targets:
            gradients[n + ".A"] = self.scale * full[n] @ self.tensors[n + ".B"].T
            gradients[n + ".B"] = self.scale * self.tensors[n + ".A"].T @ full[n]
        return loss, gradients


def epochs_of(step, optimizer, x, labels, epochs, lr, rng):
    """Train with a learning rate that falls linearly to zero; yields (epoch, mean loss) after every epoch."""
    for epoch in range(epochs):
        losses = []
        for batch in np.array_split(rng.permutation(len(labels)), len(labels) // BATCH):
            loss, gradients = step(x[batch], labels[batch])
            optimizer.step(gradients, lr * (1 - epoch / epochs))
            losses.append(loss)
        yield epoch + 1, float(np.mean(losses))


def pretrain(x, labels):
    """The base model, the same for every trial."""
    rng = np.random.default_rng(0)
    model = {layer: rng.normal(0, (2 / shape[0]) ** 0.5, shape) for layer, shape in LAYERS.items()}
    model |= {layer + ".bias": np.zeros(shape[1]) for layer, shape in LAYERS.items()}
    for _ in epochs_of(lambda *b: loss_and_gradients(model, *b), Adam(model), x, labels, BASE_EPOCHS, BASE_LR, rng):
        pass
    return model


def base_model(x, labels, cache):
    """Pre-train once; the jobs that follow on the same warm pool find the result in its persistent cache."""
    path = Path(cache, f"digits-base-{zlib.crc32(x.tobytes()):08x}.npz") if cache else None
    if path and path.exists():
        with np.load(path) as saved:
            return dict(saved), True
    model = pretrain(x, labels)
    if path:
        unfinished = path.with_name(f"{os.getpid()}.npz")
        np.savez(unfinished, **model)
        unfinished.replace(path)  # a job stopped half-way leaves no broken base behind
    return model, False


def layer_names(text):
    """The value of --targets: layer names with commas between them."""
    names = text.split(",")
    unknown = set(names) - set(LAYERS)
    if unknown:
        raise argparse.ArgumentTypeError(f"no such layer: {', '.join(sorted(unknown))}; there are {', '.join(LAYERS)}")
    return names


def parse_arguments():
    """Hyperparameters and folders; an argument that is not known here is an error."""
    parser = argparse.ArgumentParser(description="Low-rank adaptation of a frozen digit classifier.")
    parser.add_argument("--rank", type=int, default=8)
    parser.add_argument("--alpha", type=float, default=16.0, help="adapters are scaled by alpha / rank")
    parser.add_argument("--lr", type=float, default=5e-3)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--targets", type=layer_names, default=["hidden1", "hidden2"], help="layers with an adapter")
    parser.add_argument("--task", choices=sorted(TASKS), default="negative")
    parser.add_argument("--train", default=os.environ.get("SM_CHANNEL_TRAIN"), help="folder with a digits.csv")
    parser.add_argument("--model-dir", type=Path, default=os.environ.get("SM_MODEL_DIR", "model"))
    parser.add_argument("--output-data-dir", type=Path, default=os.environ.get("SM_OUTPUT_DATA_DIR", "output"))
    return parser.parse_args()


def save(args, adapter, history):
    """What the job leaves: the adapter with its settings, and the curve of the training."""
    args.model_dir.mkdir(parents=True, exist_ok=True)
    args.output_data_dir.mkdir(parents=True, exist_ok=True)
    np.savez(args.model_dir / "adapter.npz", **adapter.tensors)
    settings = {"rank": args.rank, "alpha": args.alpha, "targets": args.targets, "task": args.task}
    (args.model_dir / "adapter.json").write_text(json.dumps(settings))
    (args.output_data_dir / "history.json").write_text(json.dumps(history))


def main():
    """One trial."""
    args = parse_arguments()
    stopped = []
    signal.signal(signal.SIGTERM, lambda *_: stopped.append(True))  # StopTrainingJob: finish the epoch and save
    x, y, test_x, test_y = load_digits_split(args.train)
    base, cached = base_model(x, y, os.environ.get("SAGEMAKER_MANAGED_WARMPOOL_CACHE_DIRECTORY"))
    x_new, test_new = TASKS[args.task](x), TASKS[args.task](test_x)
    upright, before = accuracy(base, test_x, test_y), accuracy(base, test_new, test_y)
    print(f"base cached={cached} upright_accuracy={upright:.4f} zero_shot_accuracy={before:.4f}", flush=True)

    rng = np.random.default_rng(args.seed)
    adapter = LowRank(base, args.targets, args.rank, args.alpha, rng)
    print(f"trainable_parameters={sum(t.size for t in adapter.tensors.values())}", flush=True)
    optimizer, history = Adam(adapter.tensors), []
    training = epochs_of(adapter.loss_and_gradients, optimizer, x_new, y, args.epochs, args.lr, rng)
    for epoch, loss in training:
        score = accuracy(adapter.merged(), test_new, test_y)
        history.append({"epoch": epoch, "train_loss": loss, "eval_accuracy": score})
        print(f"epoch={epoch} train_loss={loss:.4f} eval_accuracy={score:.4f}", flush=True)
        if stopped:
            print(f"SIGTERM: stopping after epoch {epoch}", flush=True)
            break
    save(args, adapter, history)
    print(f"eval_accuracy={accuracy(adapter.merged(), test_new, test_y):.4f}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
