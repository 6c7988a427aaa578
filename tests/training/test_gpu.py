"""Number formats, and what needs a GPU: those tests are marked, and skipped where there is none."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch

from automask.space import registry
from automask.storage.trial_store import TrialStore
from automask.study import opening
from automask.study.session import Options
from automask.target import SINGLE
from automask.training import hardware, trial
from automask.training.features import Features
from automask.training.fold import FoldTrainer
from automask.training.network import build, predict
from benchmarks import tasks
from benchmarks.gpu import folds
from benchmarks.gpu import training as epochs
from helpers.recipes import recipe
from helpers.training import quiet

FORMATS = {"bfloat16": torch.bfloat16, "float16": torch.float16, "float32": torch.float32}


@pytest.fixture
def task(inside):
    return opening.begin(Options(space="space.toml", folds=3, threads=1)).task()


def on_gpu(test):
    missing = not torch.cuda.is_available()
    return pytest.mark.gpu(pytest.mark.skipif(missing, reason="there is no GPU here")(test))


def trainer(task, monkeypatch, number, **changes):
    monkeypatch.setattr(hardware, "choose_precision", lambda *arguments: number)
    made = recipe(**changes)
    network = build(made, task.data.attributes, {}, task.seed, 0).to(task.device)
    return FoldTrainer(task, made, Features(task, made), 0, network)


@pytest.mark.parametrize(
    ("card", "capability", "number"),
    [
        ("Tesla M60", (5, 2), "float32"),
        ("Tesla P100", (6, 0), "float16"),
        ("GTX 1080", (6, 1), "float32"),
        ("Tesla V100", (7, 0), "float16"),
        ("Tesla T4", (7, 5), "float16"),
        ("A100", (8, 0), "bfloat16"),
        ("RTX 4090", (8, 9), "bfloat16"),
        ("H100", (9, 0), "bfloat16"),
        ("RTX 5090", (12, 0), "bfloat16"),
    ],
)
def test_a_gpu_trains_in_the_format_that_it_multiplies_fastest(
    card, capability, number, monkeypatch
):
    assert hardware.gpu_precision(*capability) == FORMATS[number]
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    device = torch.device("cuda")
    assert hardware.choose_precision(None, "", 32, device, None) == FORMATS[number]
    # What multiplies in bfloat16 whatever we train in.
    assert hardware.emulated(device) == (number != "bfloat16")


def test_float16_trains_like_float32(task, monkeypatch):
    losses, scores = {}, {}
    for number in (torch.float32, torch.float16):
        of = trainer(task, monkeypatch, number, optimizer=("sgd", {"lr": 0.01}))
        assert of.optimization.scaler.is_enabled() == (number == torch.float16)
        losses[number] = [of.epoch(index) for index in range(2)]
        scores[number] = of.predict(of.data.scored)
    assert losses[torch.float16] != losses[torch.float32]
    np.testing.assert_allclose(losses[torch.float16], losses[torch.float32], atol=0.05)
    np.testing.assert_allclose(scores[torch.float16], scores[torch.float32], atol=0.05)


def test_a_scale_too_large_for_float16_takes_no_step_and_is_halved(task, monkeypatch):
    of = trainer(task, monkeypatch, torch.float16)
    of.optimization.scaler = torch.amp.GradScaler(task.device.type, init_scale=2.0**100)
    before = [parameter.clone() for parameter in of.network.parameters()]
    of.epoch(0)
    assert of.optimization.scaler.get_scale() < 2.0**100
    for parameter, old in zip(of.network.parameters(), before, strict=True):
        assert torch.equal(parameter, old)


@pytest.mark.parametrize(
    ("error", "memory_ran_out"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."), True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate`"), True),
        (RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"), True),
        (RuntimeError("CUDA error: out of memory"), True),
        (RuntimeError("CUDA error: an illegal memory access was encountered"), False),
    ],
)
def test_a_gpu_without_memory_says_so_in_several_ways(error, memory_ran_out):
    assert hardware.out_of_memory(error) == memory_ran_out


def test_the_measurements_run_where_there_is_no_gpu_either(tmp_path):
    small = {"rows": 40, "size": 32, "rounds": 1, "models": ("test_resnet",)}
    found = [
        *epochs.figures(tmp_path, workers=(1,), **small),
        *folds.features(tmp_path, **small),
    ]
    assert len(found) == 5 and all(figure.value > 0 for figure in found)


@on_gpu
@pytest.mark.parametrize("number", FORMATS)
def test_what_trained_on_a_gpu_predicts_alike_on_a_processor(task, monkeypatch, number):
    assert task.device.type == "cuda"
    of = trainer(task, monkeypatch, FORMATS[number], augmentation=("light", {}))
    assert np.isfinite([of.epoch(index) for index in range(2)]).all()
    there = of.predict(of.data.scored)
    here = predict(of.network.cpu(), of.pixels, of.data.scored, torch.device("cpu"), SINGLE)
    np.testing.assert_allclose(there, here, atol=5e-3)


@on_gpu
def test_a_trial_on_a_gpu_has_all_folds(task, tmp_path):
    for name in ("full", "head_only"):
        made = recipe(freeze=(name, {}))
        store = TrialStore(tmp_path / name)
        assert 0 <= trial.fit(task, made, store, quiet) <= 1
        assert all(store.has(fold) for fold in range(3))


@on_gpu
@pytest.mark.parametrize("augmentation", ["none", "light"])
def test_steps_on_a_gpu_wait_for_nothing(task, monkeypatch, augmentation):
    def waits(batch_size):
        of = trainer(
            task,
            monkeypatch,
            torch.bfloat16,
            augmentation=(augmentation, {}),
            batch_size=batch_size,
        )
        of.epoch(0)
        torch.cuda.set_sync_debug_mode("warn")
        try:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                of.epoch(1)
        finally:
            torch.cuda.set_sync_debug_mode("default")
        return sum("synchronizing" in str(one.message) for one in caught)

    assert waits(4) == waits(20) > 0


@on_gpu
@pytest.mark.parametrize("name", sorted(registry.plugins("augmentation")))
def test_augmentations_work_on_a_gpu(name):
    augment = registry.get("augmentation", name).function(
        32, **registry.get("augmentation", name).defaults
    )
    if augment is None or hasattr(augment, "set_random_seed"):
        pytest.skip("it isn't computed on a device")
    images = torch.randint(256, (16, 3, 32, 32), dtype=torch.uint8, device="cuda")
    out = augment(images.clone())
    assert out.dtype == torch.uint8 and out.shape == images.shape and out.device == images.device
    assert not torch.equal(out, images)


@on_gpu
def test_a_batch_too_large_for_a_gpu_is_halved(tmp_path):
    paths = tasks.draw(tmp_path / "images", 128, 224)
    drawn = tasks.task(paths, 224, tmp_path / "cache", folds=2)
    drawn = replace(drawn, device=torch.device("cuda"))
    made = tasks.recipe("resnet18", image_size=224, batch_size=64, epochs=1)
    network = build(made, drawn.data.attributes, {}, 0, 0).to(drawn.device)
    of = FoldTrainer(drawn, made, Features(drawn, made), 0, network)
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(0).total_memory
    taken = torch.cuda.memory_reserved()
    torch.cuda.set_per_process_memory_fraction((taken + 600 * 2**20) / total)
    try:
        assert np.isfinite(of.epoch(0))
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert of.micro_batch.halved and of.micro_batch.rows < 64
