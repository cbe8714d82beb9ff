"""Boosted trees of XGBoost on two threads."""

import argparse
import time

import xgboost
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

parser = argparse.ArgumentParser()
parser.add_argument("--size", type=int, default=4)
parser.add_argument("--rest", type=float, default=0, help="seconds to go on, as a longer training does")
options = parser.parse_args()
data, target = load_digits(return_X_y=True)
seen, held, seen_as, held_as = train_test_split(data, target, random_state=0)
model = xgboost.XGBClassifier(n_estimators=5, max_depth=options.size, n_jobs=2, random_state=0).fit(seen, seen_as)
print(f"score={model.score(held, held_as)!r}", flush=True)
time.sleep(options.rest)
