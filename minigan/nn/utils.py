"""What PyTorch keeps in torch.nn.utils."""

from .spectral import remove_spectral_norm, spectral_norm

__all__ = ["remove_spectral_norm", "spectral_norm"]
