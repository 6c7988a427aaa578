"""A mix of mine; try it with: automask plugins check plugins/my_mix.py"""

from automask import Float, mix


@mix(share=Float(0.05, 0.5), target="any")
def my_mix(inputs, target, rng, *, share=0.2):
    """Each row blended with another one of the batch, always by the same share.

    When to use: in place of mixup, where its share, which is drawn, is sometimes too large.
    """
    import torch

    partners = torch.as_tensor(rng.permutation(len(target)), device=inputs.device)
    mixed = inputs.float().lerp(inputs[partners].float(), share)
    return mixed, target.lerp(target[partners], share)
