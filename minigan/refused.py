"""What PyTorch has and minigan lacks: a sentence for each name that people try."""

HALF = "minigan computes in float32 and float64: half precision is not supported"
COMPLEX = "minigan has real numbers only: complex numbers are not supported"
SPARSE = "minigan has dense arrays only: sparse tensors are not supported"
HOOKS = (
    "hooks are not supported: call the layers one after the other to see what is between them, or "
    "minigan.grad(loss, x) for the gradient of anything"
)
INNER_GRADIENTS = (
    "only leaves keep their gradient: minigan.grad(loss, x) gives that of any tensor x of the graph"
)
DISTRIBUTED = "one process works on one device: several devices in one process are not supported"
COMPILED = "minigan runs each operation as it is called: compiling a network is not supported"

REFUSED = {
    "half": HALF,
    "bfloat16": HALF,
    "float16": HALF,
    "amp": HALF,
    "autocast": HALF,
    "complex64": COMPLEX,
    "complex128": COMPLEX,
    "cfloat": COMPLEX,
    "cdouble": COMPLEX,
    "fft": COMPLEX,
    "sparse": SPARSE,
    "sparse_coo_tensor": SPARSE,
    "to_sparse": SPARSE,
    "to_dense": SPARSE,
    "register_hook": HOOKS,
    "register_forward_hook": HOOKS,
    "register_forward_pre_hook": HOOKS,
    "register_backward_hook": HOOKS,
    "register_full_backward_hook": HOOKS,
    "retain_grad": INNER_GRADIENTS,
    "distributed": DISTRIBUTED,
    "DataParallel": DISTRIBUTED,
    "share_memory": DISTRIBUTED,
    "share_memory_": DISTRIBUTED,
    "compile": COMPILED,
    "jit": COMPILED,
}


def refusal(owner, name):
    """The message of the AttributeError for owner.name."""
    message = f"{owner} has no attribute {name!r}"
    if name in REFUSED:
        message = f"{message}: {REFUSED[name]}"
    return message


class RefusedName:
    """An attribute that is not there: reading it raises AttributeError with its sentence.

    A class gets one for each name. A ``__getattr__`` would do the same, but makes every other
    attribute slower to read.
    """

    def __init__(self, name):
        self.name = name

    def __get__(self, thing, kind=None):
        raise AttributeError(refusal(kind.__name__, self.name))


def refuse(kind):
    """A decorator of a class: reading one of the REFUSED names says why it is not there."""
    for name in REFUSED:
        setattr(kind, name, RefusedName(name))
    return kind
