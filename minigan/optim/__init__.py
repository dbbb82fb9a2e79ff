"""Optimisers, learning-rate schedules, and averages of weights."""

from .averages import ExponentialMovingAverage
from .optimizers import SGD, SQUARES, Adam, Optimizer, RMSprop
from .schedules import ConstantThenLinearLR, ExponentialLR, LambdaLR, StepLR, decayed
