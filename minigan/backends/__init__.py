"""The array functions behind the operations (conv2d, batch_norm_forward, adam, ...).

They exist once as formulas (reference.py), and once more for each device, where they are fast.
"""
