"""A tiny BERT of transformers."""

import argparse
import time

import torch
from transformers import BertConfig, BertForSequenceClassification

parser = argparse.ArgumentParser()
parser.add_argument("--size", type=int, default=4)
parser.add_argument("--rest", type=float, default=0, help="seconds to go on, as a longer training does")
options = parser.parse_args()
torch.manual_seed(0)
config = BertConfig(
    vocab_size=64, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=options.size
)
model = BertForSequenceClassification(config)
tokens, labels = torch.randint(0, 64, (16, 8)), torch.randint(0, 2, (16,))
optimizer = torch.optim.AdamW(model.parameters(), lr=0.001)
for _ in range(5):
    loss = model(input_ids=tokens, labels=labels).loss
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print(f"score={loss.item()!r}", flush=True)
time.sleep(options.rest)
