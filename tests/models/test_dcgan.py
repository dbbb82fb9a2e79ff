"""The DCGAN's own: the R1 penalty. Its networks are held against PyTorch's in
test_torch_training.py.
"""

import numpy as np

import minigan as mg
from minigan.models import dcgan


def test_r1_is_half_the_mean_squared_slope_at_the_real_images():
    x = np.random.default_rng(0).standard_normal((5, 1, 2, 3))
    w = mg.tensor(np.arange(6.0).reshape(2, 3), requires_grad=True)

    def discriminator(images):  # its slope at x is 2 x w
        return (images * images * w).flatten(1).sum(1)

    penalty = dcgan.r1_penalty(discriminator, mg.tensor(x), weight=0.3)
    slopes = 2 * x * w.numpy()
    np.testing.assert_allclose(
        penalty.item(), 0.3 / 2 * np.mean((slopes**2).sum((1, 2, 3))), rtol=1e-12
    )
    penalty.backward()
    np.testing.assert_allclose(
        w.grad.numpy(), 0.3 * np.mean(4 * x**2, 0)[0] * w.numpy(), rtol=1e-12
    )
