"""Optimisers, learning-rate schedules, and averages of weights."""

from . import schedules as lr_scheduler
from .averages import ExponentialMovingAverage
from .base import Optimizer
from .optimizers import SGD, Adam, AdamW, RMSprop
from .saved_state import SQUARES
from .schedules import (
    ConstantThenLinearLR,
    CosineAnnealingLR,
    ExponentialLR,
    LambdaLR,
    LinearLR,
    MultiStepLR,
    ReduceLROnPlateau,
    StepLR,
    decayed,
)
