"""A random forest on several threads."""

import argparse
import time

from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import cross_val_score

parser = argparse.ArgumentParser()
parser.add_argument("--size", type=int, default=4)
parser.add_argument("--rest", type=float, default=0, help="seconds to go on, as a longer training does")
options = parser.parse_args()
data, target = load_digits(return_X_y=True)
forest = RandomForestClassifier(n_estimators=20, max_depth=options.size, n_jobs=-1, random_state=0)
print(f"score={cross_val_score(forest, data, target, cv=3).mean().item()!r}", flush=True)
time.sleep(options.rest)
