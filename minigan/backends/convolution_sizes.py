"""The sizes of what convolutions return, along each axis of the image, on every device."""


def output_size(image, kernel_size, stride, padding):
    """(P, Q): how many windows fit below each other and side by side; at most 0 where none fits.

    P = (H + 2 padding - R) // stride + 1.
    """
    size = []
    for i, length in enumerate(image):
        padded = length + 2 * padding[i]
        free = padded - kernel_size[i]
        steps = free // stride[i]
        size.append(steps + 1)
    return tuple(size)


def transposed_size(image, kernel_size, stride, padding, output_padding):
    """(H, W): the image of a transposed convolution of an input with this image, (P, Q).

    H = (P - 1) stride - 2 padding + R + output_padding: the smallest image with P windows, plus
    rows that no window reads.
    """
    size = []
    for i, windows in enumerate(image):
        steps = windows - 1
        padded = steps * stride[i] + kernel_size[i]
        smallest = padded - 2 * padding[i]
        size.append(smallest + output_padding[i])
    return tuple(size)
