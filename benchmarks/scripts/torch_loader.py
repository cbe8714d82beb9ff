"""A small network fed by the worker processes of a DataLoader."""

import argparse
import time

import torch
from torch.utils.data import DataLoader, TensorDataset

parser = argparse.ArgumentParser()
parser.add_argument("--size", type=int, default=4)
parser.add_argument("--rest", type=float, default=0, help="seconds to go on, as a longer training does")
options = parser.parse_args()
torch.manual_seed(0)
data = torch.randn(512, 8)
target = data @ torch.randn(8, 1)
model = torch.nn.Sequential(torch.nn.Linear(8, options.size), torch.nn.Tanh(), torch.nn.Linear(options.size, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
loader = DataLoader(TensorDataset(data, target), batch_size=64, shuffle=True, num_workers=2)
for _ in range(3):
    for x, y in loader:
        loss = torch.nn.functional.mse_loss(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
print(f"score={loss.item()!r}", flush=True)
time.sleep(options.rest)
