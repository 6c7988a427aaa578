"""An optimizer of mine; try it with: automask plugins check plugins/my_optimizer.py"""

from automask import Float, optimizer


@optimizer(
    lr=Float(1e-5, 1e-2, log=True), weight_decay=Float(1e-5, 0.3, log=True), elementwise=True
)
def my_optimizer(parameter_groups, *, lr=1e-3, weight_decay=0.01):
    """Adam that looks a step ahead, as Nesterov's momentum does (Dozat, 2016).

    When to use: in place of adamw, where its learning curve is slow to begin.
    """
    from torch.optim import NAdam

    groups = [
        {**group, "weight_decay": weight_decay if group["decay"] else 0.0}
        for group in parameter_groups
    ]
    return NAdam(groups, lr=lr, decoupled_weight_decay=True)
