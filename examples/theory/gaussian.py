"""A linear generator learns a Gaussian: G(z) = A z + b, z ~ N(0, I), finds A A^T = Sigma and b =
mu.

    python examples/theory/gaussian.py

The covariance of A z + b is A E[z z^T] A^T = A A^T, and what is linear in normal numbers is
normal: p_g = N(b, A A^T). So p_g is the data's N(mu, Sigma) exactly if b = mu and A = Sigma^(1/2)
Q for some rotation Q, which no discriminator can see, since Q z ~ N(0, I) too. The best
discriminator's logit, log p_data(x) / p_g(x), is a difference of two quadratic forms (Goodfellow
et al. 2014, Proposition 1), so D(x) = sigmoid(x^T W x + v^T x + c) loses nothing; at the optimum
W, v, c are 0, D is 1/2 everywhere, and the game's value is -log 4.
"""

import claims
import numpy as np

import minigan as mg
from minigan import nn
from minigan.models.dcgan import discriminator_loss, generator_loss
from minigan.optim import Adam, ConstantThenLinearLR, ExponentialMovingAverage
from minigan.training import command_line

MEAN, COVARIANCE = np.array([1.0, -1.0]), np.array([[2.0, 1.2], [1.2, 1.0]])
BATCH_SIZE = 256


class QuadraticDiscriminator(nn.Module):
    """x (N, d) -> logits x^T W x + v^T x + c, (N,); at first 0: "I cannot tell"."""

    def __init__(self, d):
        self.weight, self.linear = nn.Parameter(mg.zeros(d, d)), nn.Linear(d, 1)
        self.linear.load_state_dict({"weight": np.zeros((1, d)), "bias": np.zeros(1)})

    def forward(self, x):
        return ((x @ self.weight) * x).sum(1) + self.linear(x).reshape(-1)


def root(covariance):
    """The symmetric square root of a covariance."""
    values, vectors = np.linalg.eigh(covariance)
    return vectors * np.sqrt(values) @ vectors.T


def draw(n):
    """n points of the data, (n, 2) float32."""
    return mg.tensor(
        (mg.rng.generator.standard_normal((n, 2)) @ root(COVARIANCE) + MEAN).astype(np.float32)
    )


def train(steps):
    """Play the game -> (averaged generator, discriminator, [(A, b) of the average after each
    step]).
    """
    G, D = nn.Linear(2, 2), QuadraticDiscriminator(2)
    average, path = ExponentialMovingAverage(G, 0.99), []
    G_optimizer, D_optimizer = (
        Adam(G.parameters(), 0.01, betas=(0, 0.99)),
        Adam(D.parameters(), 0.03, betas=(0, 0.99)),
    )
    schedules = [
        ConstantThenLinearLR(o, steps // 2, steps - steps // 2) for o in (G_optimizer, D_optimizer)
    ]
    for _ in range(steps):
        fake = G(mg.randn(BATCH_SIZE, 2))
        D_optimizer.zero_grad()
        discriminator_loss(D(draw(BATCH_SIZE)), D(fake.detach())).backward()
        D_optimizer.step()
        G_optimizer.zero_grad()
        generator_loss(D(fake)).backward()
        G_optimizer.step()
        for schedule in schedules:
            schedule.step()
        average.update(G)
        path.append(
            (average.module.weight.numpy().astype(float), average.module.bias.numpy().astype(float))
        )
    return average.module, D, path


def plot(path):
    """The data and the generator's ellipses on the way; how far A A^T and b are from Sigma and
    mu.
    """
    figure, (plane, course) = claims.subplots(2)
    circle = np.stack([f(np.linspace(0, 2 * np.pi, 100)) for f in (np.cos, np.sin)])
    plane.scatter(*draw(500).numpy().T, s=3, color="0.7", label="data")
    for step in np.unique(np.geomspace(20, len(path), 6).astype(int).clip(1, len(path))):
        A, b = path[step - 1]
        plane.plot(*(2 * A @ circle + b[:, None]), label=f"G after step {step}")
    plane.plot(
        *(2 * root(COVARIANCE) @ circle + MEAN[:, None]), "k--", label="2 Sigma^(1/2) circle + mu"
    )
    plane.legend(fontsize=7)
    course.semilogy(
        [relative(A @ A.T, COVARIANCE) for A, _ in path], label="|A A^T - Sigma| / |Sigma|"
    )
    course.semilogy([relative(b, MEAN) for _, b in path], label="|b - mu| / |mu|")
    course.set_xlabel("step")
    course.legend()
    return figure


def relative(found, expected):
    return np.linalg.norm(found - expected) / np.linalg.norm(expected)


@claims.one_thread
def main(argv=None):
    args = claims.parse(__file__, __doc__, argv, steps=2000)
    G, D, path = train(args.steps)
    A, b = path[-1]
    claims.claim("|A A^T - Sigma| / |Sigma|", relative(A @ A.T, COVARIANCE), 0, 0.06)
    claims.claim("|b - mu| / |mu|", relative(b, MEAN), 0, 0.04)
    with mg.no_grad():
        real, fake = D(draw(20000)), D(G(mg.randn(20000, 2)))
        claims.claim(
            "mean |D - 1/2| on the data", (real.sigmoid() - 0.5).abs().mean().item(), 0, 0.02
        )
        claims.claim("value of the game", -discriminator_loss(real, fake).item(), -np.log(4), 0.003)
    claims.save(plot(path), args.out)


if __name__ == "__main__":
    command_line.program(main)
