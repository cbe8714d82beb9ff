"""A nearest-neighbour classifier of irises, scored with a function that only a newer release of a dependency has."""

import argparse

import tinymetrics
from sklearn.datasets import load_iris
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier
from tinymetrics import balanced_accuracy  # new in 2.0: with 1.0 the job fails here


def main():
    """One trial."""
    parser = argparse.ArgumentParser(description="Nearest neighbours on irises.")
    parser.add_argument("--neighbours", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    x, y = load_iris(return_X_y=True)
    train_x, test_x, train_y, test_y = train_test_split(x, y, test_size=0.5, random_state=args.seed, stratify=y)
    predicted = KNeighborsClassifier(args.neighbours).fit(train_x, train_y).predict(test_x)
    print(f"tinymetrics from {tinymetrics.__file__}")
    print(f"balanced_accuracy={balanced_accuracy(predicted.tolist(), test_y.tolist()):.4f}")


if __name__ == "__main__":
    main()
