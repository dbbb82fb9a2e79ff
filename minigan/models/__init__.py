"""The papers' networks and losses, one short file each."""

from . import dcgan
