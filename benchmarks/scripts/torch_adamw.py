"""A small network and an optimizer."""

import argparse
import time

import torch

parser = argparse.ArgumentParser()
parser.add_argument("--size", type=int, default=4)
parser.add_argument("--rest", type=float, default=0, help="seconds to go on, as a longer training does")
options = parser.parse_args()
torch.manual_seed(0)
data = torch.randn(512, 8)
target = data @ torch.randn(8, 1)
model = torch.nn.Sequential(torch.nn.Linear(8, options.size), torch.nn.Tanh(), torch.nn.Linear(options.size, 1))
optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
for _ in range(100):
    loss = torch.nn.functional.mse_loss(model(data), target)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print(f"score={loss.item()!r}", flush=True)
time.sleep(options.rest)
