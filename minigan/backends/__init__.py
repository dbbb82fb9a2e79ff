"""The same array functions (conv2d, batch_norm_forward, adam, ...), once as formulas and then
fast on each device.
"""
