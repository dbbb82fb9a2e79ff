"""What PyTorch keeps in torch.nn.utils."""

from .clipping import clip_grad_norm_, clip_grad_value_
from .spectral import remove_spectral_norm, spectral_norm

__all__ = ["clip_grad_norm_", "clip_grad_value_", "remove_spectral_norm", "spectral_norm"]
