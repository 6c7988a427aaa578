import torch

from automask.authoring.examples.loss import my_loss


def test_a_hopeless_row_pulls_less_than_a_doubtful_one():
    target, counts = torch.tensor([[1.0, 0.0]]), torch.ones(2)

    def pull(logit):
        logits = torch.tensor([[logit, 0.0]], requires_grad=True)
        my_loss(logits, target, counts).sum().backward()
        return logits.grad.abs().sum()

    assert pull(-6.0) < pull(-1.0)
