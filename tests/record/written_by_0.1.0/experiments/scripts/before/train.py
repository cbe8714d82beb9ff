"""x=1 and 5 end well, 2 fails, 3 needs a smaller batch, 4 prints no number."""

import sys
import time

told = dict(zip(sys.argv[1::2], sys.argv[2::2]))
x, batch = int(told["--x"]), float(told["--batch"])
if x == 2:
    raise ValueError("x=2 does not work")
if x == 3 and batch > 4:
    raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")
if x == 4:
    print("score=nan", flush=True)
    time.sleep(60)
print(f"score={x * 10}")
