"""Gradient descent on the curve (w - 3)^2, from 0: put your own training in its place.

An ordinary SageMaker training script. It runs by hand just as well: `python train.py --lr 0.1`.
"""

import argparse
import json
import os
from pathlib import Path

parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float, default=0.1)
parser.add_argument("--steps", type=int, default=50)
options = parser.parse_args()

weight = 0.0
for step in range(1, options.steps + 1):
    weight -= options.lr * 2 * (weight - 3)
    print(f"step={step} loss={(weight - 3) ** 2:.6g}", flush=True)  # the last value printed is the result

# What lies in this folder at the end is kept as the model: `sweeper pull first best` brings it.
Path(os.environ.get("SM_MODEL_DIR", "."), "model.json").write_text(json.dumps({"weight": weight}))
