"""Files and what comes from outside: written whole or not at all, read within limits, believed
only when checked.
"""

from .whole import (
    CHUNK,
    KINDS,
    NAME_KEPT,
    NOT_SUPPORTED,
    cache_folder,
    clear_parts,
    download,
    reading,
    regular_file,
    whole_file,
)
