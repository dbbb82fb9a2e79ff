"""The simulator: kernels/*.cu compiled by g++ and run thread by thread on this processor, every
access to memory checked.
"""
