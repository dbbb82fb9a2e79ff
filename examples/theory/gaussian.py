"""A linear generator learns a Gaussian: G(z) = A z + b finds A A^T = Sigma and b = mu.

    python examples/theory/gaussian.py

With z ~ N(0, I), the covariance of A z + b is A E[z z^T] A^T = A A^T, and a linear function of
normal numbers is normal: p_g = N(b, A A^T). So p_g is the data's N(mu, Sigma) exactly if b = mu
and A = Sigma^(1/2) Q for some rotation Q, which no discriminator can see, since Q z ~ N(0, I)
too. The best discriminator's logit, log p_data(x) / p_g(x), is a difference of two quadratic
forms (Goodfellow et al. 2014, Proposition 1), so D(x) = sigmoid(x^T W x + v^T x + c) loses
nothing; at the optimum W, v, c are 0, D is 1/2 everywhere, and the game's value is -log 4.
"""

import claims
import numpy as np

import minigan as mg
from minigan import nn
from minigan.models.dcgan import discriminator_loss, generator_loss
from minigan.optim import Adam, ConstantThenLinearLR, ExponentialMovingAverage
from minigan.training import scripts

MEAN = np.array([1.0, -1.0])
COVARIANCE = np.array([[2.0, 1.2], [1.2, 1.0]])
BATCH_SIZE = 256


class QuadraticDiscriminator(nn.Module):
    """x (N, d) -> logits x^T W x + v^T x + c, (N,); at first 0: "I cannot tell"."""

    def __init__(self, d):
        self.weight = nn.Parameter(mg.zeros(d, d))
        self.linear = nn.Linear(d, 1)
        self.linear.load_state_dict({"weight": np.zeros((1, d)), "bias": np.zeros(1)})

    def forward(self, x):
        square = ((x @ self.weight) * x).sum(1)  # (N,)
        return square + self.linear(x).reshape(-1)  # (N,)


def root(covariance):
    """The symmetric square root of a covariance."""
    values, vectors = np.linalg.eigh(covariance)
    return vectors * np.sqrt(values) @ vectors.T


def draw(n):
    """n points of the data, (n, 2) float32."""
    z = mg.rng.generator.standard_normal((n, 2))
    x = z @ root(COVARIANCE) + MEAN
    return mg.tensor(x.astype(np.float32))


def train(steps):
    """Play the game -> (averaged generator, discriminator, path).

    path: [(A, b) of the average after each step].
    """
    G = nn.Linear(2, 2)
    D = QuadraticDiscriminator(2)
    average = ExponentialMovingAverage(G, 0.99)
    mean = average.module
    G_optimizer = Adam(G.parameters(), 0.01, betas=(0, 0.99))
    D_optimizer = Adam(D.parameters(), 0.03, betas=(0, 0.99))
    half = steps // 2
    G_schedule = ConstantThenLinearLR(G_optimizer, half, steps - half)
    D_schedule = ConstantThenLinearLR(D_optimizer, half, steps - half)
    path = []
    for _ in range(steps):
        fake = G(mg.randn(BATCH_SIZE, 2))
        D_optimizer.minimize(discriminator_loss(D(draw(BATCH_SIZE)), D(fake.detach())))
        G_optimizer.minimize(generator_loss(D(fake)))
        G_schedule.step()
        D_schedule.step()
        average.update(G)
        A = mean.weight.numpy().astype(float)
        b = mean.bias.numpy().astype(float)
        path.append((A, b))
    return mean, D, path


def plot(path):
    """Left the data and the generator's ellipses during training, right the relative errors."""
    figure, (plane, course) = claims.subplots(2)
    points = draw(500).numpy()
    plane.scatter(points[:, 0], points[:, 1], s=3, color="0.7", label="data")
    shown = np.geomspace(20, len(path), 6).astype(int)
    for step in np.unique(shown.clip(1, len(path))):
        A, b = path[step - 1]
        plane.plot(*ellipse(A, b), label=f"G after step {step}")
    plane.plot(*ellipse(root(COVARIANCE), MEAN), "k--", label="2 Sigma^(1/2) circle + mu")
    plane.legend(fontsize=7)
    covariances = [relative(A @ A.T, COVARIANCE) for A, _ in path]
    means = [relative(b, MEAN) for _, b in path]
    course.semilogy(covariances, label="|A A^T - Sigma| / |Sigma|")
    course.semilogy(means, label="|b - mu| / |mu|")
    course.set_xlabel("step")
    course.legend()
    return figure


def ellipse(A, b):
    """x and y of the ellipse 2 A u + b, for unit vectors u: (2, 100)."""
    angle = np.linspace(0, 2 * np.pi, 100)
    circle = np.stack([np.cos(angle), np.sin(angle)])
    return 2 * A @ circle + b[:, None]


def relative(found, expected):
    """The norm of the error, as a share of the norm of what is expected."""
    return np.linalg.norm(found - expected) / np.linalg.norm(expected)


@claims.one_thread
def main(argv=None):
    args = claims.parse(__file__, __doc__, argv, steps=2000)
    G, D, path = train(args.steps)
    A, b = path[-1]
    claims.claim(
        "|A A^T - Sigma| / |Sigma|",
        relative(A @ A.T, COVARIANCE),
        0,
        0.06,
    )
    claims.claim("|b - mu| / |mu|", relative(b, MEAN), 0, 0.04)
    with mg.no_grad():
        real = D(draw(20000))
        fake = D(G(mg.randn(20000, 2)))
        off = (real.sigmoid() - 0.5).abs().mean().item()
        value = -discriminator_loss(real, fake).item()
    claims.claim(
        "mean |D - 1/2| on the data",
        off,
        0,
        0.02,
    )
    claims.claim("value of the game", value, -np.log(4), 0.003)
    claims.save(plot(path), args.out)


if __name__ == "__main__":
    scripts.program(main)
