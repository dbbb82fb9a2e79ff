"""What config.json says of a run's past: overridden arguments and changes of the device.

    "overrides": [{"step": 1200, "lr": {"from": 0.0002, "to": 0.0001}}],
    "devices": [{"step": 600, "from": "cpu", "to": "host"}]

The arguments in config.json are those that hold now. An entry says since which step: with the
states of that step the run went on with the new value.
"""

import re

from ..files.foreign import check_names, check_stored_int, shown

PLAIN = (type(None), bool, int, float, str)
CHANGE = {"from", "to"}


def check_history(config):
    """Raise ValueError unless the past in a config.json is one that a run has written."""
    for name in ("overrides", "devices"):
        entries = config.get(name, [])
        if not isinstance(entries, list):
            raise ValueError(f"its {name} are {shown(entries)}, expected a list")
        for entry in entries:
            if not isinstance(entry, dict):
                raise ValueError(f"its {name} have {shown(entry)}, expected a dict")
            check_stored_int(f"the step in its {name}", entry.get("step"))
    for entry in config.get("overrides", []):
        for name, change in entry.items():
            if name != "step":
                _check_change(name, change)
    for entry in config.get("devices", []):
        _check_change("device", {name: entry[name] for name in entry if name != "step"})


def _check_change(name, change):
    what = f"its change of {shown(name)}"
    check_names(what, change, CHANGE)
    for value in change.values():
        items = value if isinstance(value, list) else [value]
        if not all(isinstance(item, PLAIN) for item in items):
            raise ValueError(f"{what} has {shown(value)}, expected a value of an option")


def pending(config, step):
    """The names of overridden arguments that a checkpoint of this step was made without -> set.

    Such an entry is not older than the checkpoint: the run ended before it saved another one.
    """
    names = set()
    for entry in config.get("overrides", []):
        if entry["step"] >= step:
            names |= entry.keys() - {"step"}
    return names


def continued(config, earlier, step, changes):
    """The content of config.json with the past of the earlier one, and with what changes now.

    changes: {name: {"from": value, "to": value}} of the arguments. A list without an entry is left
    out, so nothing of this stands in the config.json of a run that nothing has changed.
    """
    overrides = list(earlier.get("overrides", []))
    devices = list(earlier.get("devices", []))
    if changes:
        overrides.append({"step": step, **changes})
    before = device_of(earlier)
    now = device_of(config)
    if before and before != now:
        devices.append({"step": step, "from": before, "to": now})
    past = {"overrides": overrides, "devices": devices}
    return config | {name: entries for name, entries in past.items() if entries}


def device_of(config):
    """The name of the device that a config.json describes, or None."""
    found = re.match(r"device (\w+):", str(config.get("device")))
    return found[1] if found else None
