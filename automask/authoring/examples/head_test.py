from types import SimpleNamespace

import torch

from automask.authoring.examples.head import my_head


def test_gives_a_logit_a_class_and_learns():
    torch.manual_seed(0)
    head = my_head(2, SimpleNamespace(classes=[[0], [1]]), hidden=32, dropout=0.0)
    # Which side of the diagonal the signs are on: no straight line parts that.
    features = torch.tensor([[1.0, 1.0], [-1.0, -1.0], [1.0, -1.0], [-1.0, 1.0]])
    classes = torch.tensor([0, 0, 1, 1])
    optimizer = torch.optim.Adam(head.parameters(), 0.05)
    for _ in range(100):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(head(features), classes).backward()
        optimizer.step()
    assert head(features).argmax(1).tolist() == [0, 0, 1, 1]
