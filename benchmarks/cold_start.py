"""python -m benchmarks.cold_start [--samples N]

How long does a whole training take from a cold start, interpreter and imports included? `elman train sine-online`, with its model,
pictures and report, beside the same training as a plain PyTorch script that ends with the scatter plot as a file. Both are
started in turn; medians, and the largest resident memory of each.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

SCRIPT = """
import numpy as np, torch
import matplotlib
matplotlib.use("Agg")
import matplotlib.pyplot as plt

times = np.linspace(2, 10, 21)
wave = torch.tensor(np.sin(times), dtype=torch.float32).reshape(-1, 1)
x, y = wave[:-1], wave[1:]
w1, w2 = torch.normal(0.0, 0.4, (7, 6)).requires_grad_(), torch.normal(0.0, 0.3, (6, 1)).requires_grad_()


def forward(value, context):
    context = torch.tanh(torch.cat((value, context), 1).mm(w1))
    return context.mm(w2), context


for epoch in range(300):
    total, context = 0, torch.zeros(1, 6)
    for j in range(20):
        out, context = forward(x[j : j + 1], context)
        loss = (out - y[j : j + 1]).pow(2).sum() / 2
        total += loss
        loss.backward()
        w1.data -= 0.1 * w1.grad.data
        w2.data -= 0.1 * w2.grad.data
        w1.grad.data.zero_()
        w2.grad.data.zero_()
        context = context.detach()
    if epoch % 10 == 0:
        print(epoch, total.item())
context, predictions = torch.zeros(1, 6), []
for j in range(20):
    out, context = forward(x[j : j + 1], context)
    predictions.append(out.item())
plt.scatter(times[:-1], x.numpy(), s=90, label="Actual")
plt.scatter(times[1:], predictions, label="Predicted")
plt.legend()
plt.savefig("sine.png")
"""


def run(command: list[str], folder: str) -> tuple[float, float]:
    """Seconds that the command took, and the most memory any command has taken so far in MB."""
    # Compiled files are kept, as after an ordinary installation; the first round makes those of a checkout.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    began = time.perf_counter()
    subprocess.run(
        command, cwd=folder, env=environment, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    return time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=7)
    samples = parser.parse_args().samples
    ours, theirs = [], []
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "seed.py").write_text(SCRIPT)
        elman = [sys.executable, "-m", "elman", "train", "sine-online", "--out"]
        our_memory = 0.0
        for number in range(samples + 1):  # the first round only warms the file cache
            seconds, memory = run([*elman, f"run{number}"], folder)
            our_memory = our_memory or memory
            ours.append(seconds)
            theirs.append(run([sys.executable, "seed.py"], folder)[0])
        _, their_memory = run([sys.executable, "seed.py"], folder)
    ours, theirs = ours[1:], theirs[1:]
    print(
        f"{os.cpu_count()} processors, Python {sys.version.split()[0]}, load {os.getloadavg()[0]:.1f}, {samples} samples each"
    )
    print(f"elman train sine-online   {median(ours):.2f} s ({min(ours):.2f} to {max(ours):.2f}), {our_memory:.0f} MB")
    print(
        f"plain PyTorch script      {median(theirs):.2f} s ({min(theirs):.2f} to {max(theirs):.2f}), {their_memory:.0f} MB"
    )
    print(f"ratio                     {median(theirs) / median(ours):.1f}")


if __name__ == "__main__":
    main()
