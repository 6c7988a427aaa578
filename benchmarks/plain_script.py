"""`python -m benchmarks.plain_script FOLDER MODEL SECONDS`: what a participant writes in an evening.

One pretrained network, fine-tuned whole on one grouped 80/20 split with a single one-cycle schedule,
light augmentation, and as many epochs as fit; `submission.csv` is its answer.
"""

from __future__ import annotations

import argparse
import itertools
import json
import time
from pathlib import Path

import numpy as np
import pandas as pd
import timm
import torch
from PIL import Image
from sklearn.model_selection import StratifiedGroupKFold
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

BATCH, RATE, RESERVE = 32, 1e-3, 0.08
#: Seconds that the imports above took of the budget.
IMPORTS = 6.0


class Pictures(Dataset):
    """Images as a transform gives them, with their class."""

    def __init__(
        self, folder: Path, table: pd.DataFrame, classes: np.ndarray, transform: v2.Compose
    ):
        self.images = [
            Image.open(folder / path).convert("RGB").resize((SIZE + 16, SIZE + 16))
            for path in table["path"]
        ]
        self.classes, self.transform = classes, transform

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return self.transform(self.images[index]), int(self.classes[index])


SIZE = 96


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("model")
    parser.add_argument("seconds", type=float)
    options = parser.parse_args()
    torch.manual_seed(0)
    data, ends = options.folder / "data", time.time() + options.seconds - IMPORTS
    train, test = (
        pd.read_csv(data / "train.csv", dtype=str),
        pd.read_csv(data / "test.csv", dtype=str),
    )
    sample = pd.read_csv(data / "sample_submission.csv", dtype=str)
    targets = [column for column in sample.columns if column in train and column != "id"]
    joint = train[targets].agg("|".join, axis=1)
    names, classes = np.unique(joint, return_inverse=True)
    split = StratifiedGroupKFold(5, shuffle=True, random_state=0)
    own, held = next(split.split(train, classes, train["group"]))
    facts = json.loads((options.folder / "weights" / f"{options.model}.json").read_text())
    network = timm.create_model(
        options.model,
        pretrained=True,
        num_classes=len(names),
        pretrained_cfg_overlay={
            "file": str(options.folder / "weights" / f"{options.model}.safetensors"),
            "num_classes": facts["num_classes"],
        },
    )
    normalise = v2.Normalize(facts["mean"], facts["std"])
    tensor = [v2.ToImage(), v2.ToDtype(torch.float32, scale=True), normalise]
    light = v2.Compose([v2.RandomCrop(SIZE), v2.RandomHorizontalFlip(), *tensor])
    plain = v2.Compose([v2.CenterCrop(SIZE), *tensor])
    loader = DataLoader(
        Pictures(data, train.iloc[own], classes[own], light), BATCH, shuffle=True, drop_last=True
    )
    optimizer = torch.optim.AdamW(network.parameters(), RATE, weight_decay=0.01)
    last = int((ends - time.time()) * RESERVE)
    first, done = time.time(), 0
    each = _seconds(network, loader)
    epochs = max(1, int((ends - last - time.time()) / (each * len(loader))))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, epochs * len(loader))
    while done < epochs and time.time() < ends - last:
        network.train()
        for images, aim in loader:
            functional.cross_entropy(network(images), aim).backward()
            optimizer.step()
            optimizer.zero_grad()
            schedule.step()
            if time.time() > ends - last:
                break
        done += 1
    network.eval()
    with torch.inference_mode():
        whole = DataLoader(Pictures(data, test, np.zeros(len(test)), plain), 128)
        answer = np.concatenate([network(images).argmax(1).numpy() for images, _ in whole])
    parts = pd.DataFrame([names[k].split("|") for k in answer], columns=targets)
    pd.concat([test["id"], parts], axis=1).to_csv(options.folder / "submission.csv", index=False)
    print(f"{done} epochs in {time.time() - first:.0f} s, {len(own)} rows, {len(held)} held out")


def _seconds(network: torch.nn.Module, loader: DataLoader) -> float:
    """What a step takes with its images, once the first ones have warmed everything up."""
    network.train()
    begin, warm, tries = time.time(), 3, 8
    for number, (images, aim) in enumerate(itertools.islice(itertools.cycle(loader), warm + tries)):
        if number == warm:
            begin = time.time()
        functional.cross_entropy(network(images), aim).backward()
    network.zero_grad()
    return (time.time() - begin) / tries


if __name__ == "__main__":
    main()
