import torch

from automask.authoring.examples.scheduler import my_scheduler


def test_half_way_a_straight_line_has_half_the_rate():
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    scheduler = my_scheduler(optimizer, steps_per_epoch=5, epochs=2)
    for _ in range(5):
        optimizer.step()
        scheduler.step()
    assert abs(scheduler.get_last_lr()[0] - 0.05) < 1e-9
