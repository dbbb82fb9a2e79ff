"""Spectral normalisation (Miyato et al. 2018): a weight divided by its largest singular value.

With W the weight as a matrix, one row for each output, the largest singular value is
sigma = u^T W v with the leading singular vectors u and v. Power iteration finds them: v becomes
W^T u and u becomes W v, each divided by its length. One step at each training forward is enough,
because the weight changes little from step to step. u and v count as constants: the gradient flows
through W only. As torch.nn.utils.spectral_norm, with its names in the state_dict: weight_orig,
weight_u, weight_v.
"""

from .. import functional as F
from ..checks import whole_number
from ..grad_modes import no_grad
from ..ops import dot, mv, permute, reshape
from ..rng import randn
from .checks import number
from .convolution import ConvTranspose2d
from .module import Module, Parameter


class Settings:
    """How a layer's weight is normalised; the layer keeps it as ``_spectral_norm``."""

    def __init__(self, name, n_power_iterations, eps, dim):
        self.name = name  # of the weight
        self.steps = n_power_iterations  # of the power iteration at each training forward
        self.eps = eps  # the least length that a vector is divided by
        self.dim = dim  # the axis of the outputs


def spectral_norm(module, name="weight", n_power_iterations=1, eps=1e-12, dim=None):
    """Divide a layer's weight by its largest singular value at each forward. Returns the layer.

    The Parameter is ``weight_orig`` from now on, and ``weight`` is computed from it. dim: the axis
    of the outputs, by default 1 for a transposed convolution and 0 otherwise. Raises ValueError if
    the layer has no such Parameter, or is normalised already.
    """
    whole_number("n_power_iterations", n_power_iterations, 1)
    number("eps", eps, 0)
    weight = vars(module).get(name) if isinstance(module, Module) else None
    if not isinstance(weight, Parameter):
        raise ValueError(
            f"spectral_norm: {type(module).__name__} has no parameter {name!r}, or is normalised "
            "already"
        )
    if dim is None:
        dim = 1 if isinstance(module, ConvTranspose2d) else 0
    settings = Settings(name, n_power_iterations, eps, dim)
    matrix = _as_matrix(weight.detach(), dim)
    u = F.normalize(randn(matrix.shape[0], dtype=weight.dtype), dim=0, eps=eps)
    v = F.normalize(randn(matrix.shape[1], dtype=weight.dtype), dim=0, eps=eps)
    del module._parameters[name]
    module.register_parameter(f"{name}_orig", weight)
    setattr(module, name, weight.detach())
    module.register_buffer(f"{name}_u", u)
    module.register_buffer(f"{name}_v", v)
    vars(module)["_spectral_norm"] = settings
    module.__class__ = _normalised_class(type(module))
    return module


def remove_spectral_norm(module, name="weight"):
    """Make the normalised weight the Parameter again. Returns the layer."""
    settings = vars(module).pop("_spectral_norm", None)
    if settings is None or settings.name != name:
        raise ValueError(f"remove_spectral_norm: {name!r} of {type(module).__name__} is plain")
    with no_grad():
        weight = _normalised(module, settings)
    for suffix in ("_orig", "_u", "_v"):
        delattr(module, name + suffix)
    delattr(module, name)
    module.register_parameter(name, Parameter(weight.detach()))
    module.__class__ = type(module).__mro__[1]
    return module


_CLASSES = {}  # layer class -> its subclass whose forward normalises first


def _normalised_class(layer_class):
    """A subclass of the same name, whose forward computes the weight first."""
    if layer_class not in _CLASSES:

        def forward(self, *inputs, **options):
            settings = vars(self)["_spectral_norm"]
            if self.training:
                _iterate(self, settings)
            setattr(self, settings.name, _normalised(self, settings))
            return layer_class.forward(self, *inputs, **options)

        body = {"forward": forward, "__doc__": layer_class.__doc__}
        _CLASSES[layer_class] = type(layer_class.__name__, (layer_class,), body)
    return _CLASSES[layer_class]


def _as_matrix(weight, dim):
    """The weight with a row for each output: (outputs, everything else)."""
    if dim != 0:
        others = [axis for axis in range(weight.ndim) if axis != dim]
        weight = permute(weight, dim, *others)
    return reshape(weight, (weight.shape[0], -1))


@no_grad()
def _iterate(module, settings):
    """Improve u and v. They are new tensors, because earlier graphs still hold the old ones."""
    name = settings.name
    matrix = _as_matrix(getattr(module, f"{name}_orig"), settings.dim)
    u = getattr(module, f"{name}_u")
    for _ in range(settings.steps):
        v = F.normalize(mv(matrix.t(), u), dim=0, eps=settings.eps)
        u = F.normalize(mv(matrix, v), dim=0, eps=settings.eps)
    setattr(module, f"{name}_u", u)
    setattr(module, f"{name}_v", v)


def _normalised(module, settings):
    """W / sigma, differentiable in W."""
    name = settings.name
    weight = getattr(module, f"{name}_orig")
    u = getattr(module, f"{name}_u").detach()
    v = getattr(module, f"{name}_v").detach()
    sigma = dot(u, mv(_as_matrix(weight, settings.dim), v))
    return weight / sigma
