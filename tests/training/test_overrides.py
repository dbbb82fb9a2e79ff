"""--override NAME=VALUE: with --resume a training goes on with another value, on purpose."""

import json
import shutil

import numpy as np
import pytest
from crafted import SCRIPTS, call, every_script, look, train_all
from toy_run import bits

import minigan as mg
from minigan import nn, optim
from minigan.training import Run, overrides

pytest.importorskip("matplotlib", reason="training draws its losses")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Two steps of each model, in folder/MODEL, and data that other tests go on with."""
    folder = train_all(tmp_path_factory.mktemp("trained"))
    noise = np.random.default_rng(0)
    np.savez(folder / "grey.npz", images=noise.integers(0, 256, (40, 16, 16), np.uint8))
    np.savez(folder / "colour.npz", images=noise.integers(0, 256, (40, 3, 16, 16), np.uint8))
    return folder


@pytest.fixture
def run_of(trained, tmp_path):
    """run_of("gan") is a copy of that run."""

    def copied(model, name="run"):
        return shutil.copytree(trained / model, tmp_path / name)

    return copied


def go_on(model, out, steps, *options):
    """Resume a run of the model -> its status or what it said."""
    script = SCRIPTS[model][0]
    return call(script, "--resume", "--steps", steps, "--quiet", "--out", out, *options)


def assign(**values):
    """--override for each of the values."""
    options = []
    for name, value in values.items():
        options += ["--override", f"{name.replace('_', '-')}={value}"]
    return options


def config_of(out):
    return json.loads((out / "config.json").read_text())


def state_of(out):
    return mg.load(out / "checkpoint.npz")


# ---- every option of every script

# Another value of each option that may be overridden. A new option of a script belongs here, or
# into overrides.NETWORKS or FIXED.
OTHER = {
    "lr": 3e-3,
    "lr_decay": 1.5,
    "beta1": 0.25,
    "average": 0.5,
    "batch_size": 5,
    "momentum": 0.25,
    "last_momentum": 0.9,
    "momentum_epochs": 3,
    "minimax": "true",
    "k": 2,
    "r1": 2.0,
    "clip": 0.5,
    "penalty_weight": 3.0,
    "n_critic": 3,
    "cycle_weight": 2.0,
    "identity_weight": 0.25,
    "pool_size": 60,
    "constant_steps": 3,
    "decay_steps": 7,
    "load_size": 18,
    "flip": "true",
    "augment": "color",
    "skip_unreadable": "true",
}
# What is in other tests, or changes the data of a CycleGAN together with others.
ELSEWHERE = {"data", "data_a", "data_b", "data_dir", "halves"}
FREE = {"steps", "log_every", "sample_every", "checkpoint_every", "quiet"}


@every_script
def test_each_option_of_a_script_is_overridden_or_refused_with_a_reason(run_of, model, capsys):
    out = run_of(model)
    kept = config_of(out)["arguments"]
    allowed = {name: value for name, value in OTHER.items() if name in kept}
    others = kept.keys() - OTHER.keys() - ELSEWHERE
    assert {name for name in others if overrides.may_be_overridden(name)} <= FREE
    before = look(out)
    for name in sorted(others - FREE):
        text = "true" if isinstance(kept[name], bool) else kept[name]
        capsys.readouterr()
        assert go_on(model, out, 3, *assign(**{name: text})) == 2
        said = capsys.readouterr().err
        assert f"--override {name.replace('_', '-')}=" in said
        assert " is refused: " in said
        assert said.count("\n") == 1
    assert look(out) == before
    assert go_on(model, out, 3, *assign(**allowed)) == 0
    now = config_of(out)
    (entry,) = now["overrides"]
    assert entry.keys() == {"step", *allowed}
    assert entry["step"] == 2
    for name, value in allowed.items():
        new = True if value == "true" else value
        assert entry[name] == {"from": kept[name], "to": new}
        assert now["arguments"][name] == new
    unchanged = kept.keys() - allowed.keys() - {"steps"}
    assert {name: now["arguments"][name] for name in unchanged} == {
        name: kept[name] for name in unchanged
    }
    assert go_on(model, out, 4) == 0
    assert config_of(out)["overrides"] == [entry]
    assert state_of(out)["run"]["step"] == 4


# ---- a value reaches what it is for

# model -> what is overridden, and what a checkpoint would hold if it had been so before.
SETTINGS = {
    "gan": dict(lr=0.3, lr_decay=1.1, momentum=0.1),
    "dcgan": dict(lr=3e-3, beta1=0.25, r1=2.0),
    "wgan": dict(lr=3e-3, clip=0.02),
    "cyclegan": dict(lr=3e-3, beta1=0.25, constant_steps=1, decay_steps=6, cycle_weight=2.0),
}


def edit_checkpoint(out, lr=None, beta1=None, **others):
    """Write new learning rates and betas into a checkpoint by hand."""
    state = state_of(out)
    for thing in state.values():
        for group in thing.get("param_groups", []):
            group["lr"] = lr
            if beta1 is not None:
                group["betas"] = (beta1, 0.999)
        if "base" in thing:
            thing["base"] = lr
    mg.save(out / "checkpoint.npz", state)


@every_script
def test_an_override_is_as_if_the_checkpoint_and_the_config_had_it(run_of, model):
    settings = SETTINGS[model]
    out = run_of(model)
    assert go_on(model, out, 4, *assign(**settings)) == 0
    edited = run_of(model, "edited")
    edit_checkpoint(edited, **settings)
    config = config_of(edited)
    config["arguments"].update(settings)
    (edited / "config.json").write_text(json.dumps(config))
    assert go_on(model, edited, 4) == 0
    assert bits(out) == bits(edited)
    plain = run_of(model, "plain")
    assert go_on(model, plain, 4) == 0
    assert bits(out) != bits(plain)


def test_a_schedule_goes_on_from_its_step_with_the_new_rate_and_lengths(run_of):
    out = run_of("cyclegan")
    assert go_on("cyclegan", out, 3, *assign(lr=0.01, constant_steps=1, decay_steps=4)) == 0
    state = state_of(out)
    for name in ("generator", "discriminator"):
        assert state[f"{name}_schedule"] == {"count": 3, "base": 0.01}
        (group,) = state[f"{name}_optimizer"]["param_groups"]
        assert group["lr"] == pytest.approx(0.01 * (1 - 2 / 4))


def train_line(out, steps, lr, betas, gamma=0.5, **how):
    """A program of one's own, with a schedule."""
    mg.manual_seed(0)
    line = nn.Linear(1, 1)
    adam = optim.Adam(line.parameters(), lr=lr, betas=betas)
    schedule = optim.ExponentialLR(adam, gamma)
    state = {"schedule": schedule, "line": line, "adam": adam}
    options = dict(steps=steps, state=state, sample=lambda: np.zeros((1, 1, 4, 4)), quiet=True)
    for _ in Run(out, model="line", **options, **how):
        loss = ((line(mg.randn(8, 1)) - 3) ** 2).mean()
        adam.minimize(loss)
        schedule.step()
    return adam


def test_a_program_of_ones_own_may_override_too(tmp_path, monkeypatch):
    monkeypatch.setattr(Run, "_write_row", lambda *_: None)
    train_line(tmp_path, 2, 0.1, (0.9, 0.999))
    moments = state_of(tmp_path)["adam"]["state"][0]["step"]
    changed = {"lr": {"from": 0.1, "to": 0.4}}
    how = dict(resume=True, overrides=changed)
    adam = train_line(tmp_path, 3, 0.4, (0.5, 0.9), **how)
    assert adam.lr == pytest.approx(0.4 * 0.5**3)
    assert adam.betas == (0.5, 0.9)
    assert moments == 2
    assert state_of(tmp_path)["adam"]["state"][0]["step"] == 3
    assert config_of(tmp_path)["overrides"] == [{"step": 2, **changed}]


# ---- later resumes


@every_script
def test_later_resumes_go_on_with_the_overridden_values(run_of, model):
    whole = run_of(model, "whole")
    assert go_on(model, whole, 5, *assign(lr=0.003, batch_size=5)) == 0
    parts = run_of(model, "parts")
    assert go_on(model, parts, 3, *assign(lr=0.003, batch_size=5)) == 0
    assert go_on(model, parts, 5) == 0
    assert bits(whole) == bits(parts)
    assert config_of(whole)["overrides"] == config_of(parts)["overrides"]


@every_script
def test_a_run_that_is_killed_before_its_next_checkpoint_keeps_the_override(run_of, model):
    """config.json has the new values then, and the checkpoint is still without them."""
    out = run_of(model)
    assert go_on(model, out, 4, *assign(lr=0.003, batch_size=5)) == 0
    killed = run_of(model, "killed")
    shutil.copy(out / "config.json", killed / "config.json")
    assert go_on(model, killed, 4) == 0
    assert bits(killed) == bits(out)
    assert config_of(killed)["overrides"] == config_of(out)["overrides"]


def test_overrides_are_listed_in_their_order_and_the_same_value_is_none(run_of):
    out = run_of("gan")
    assert go_on("gan", out, 3, *assign(lr=0.3)) == 0
    assert go_on("gan", out, 4, *assign(lr=0.3, batch_size=4)) == 0
    assert go_on("gan", out, 5, *assign(lr=0.2, k=2)) == 0
    assert config_of(out)["overrides"] == [
        {"step": 2, "lr": {"from": 0.1, "to": 0.3}},
        {"step": 4, "lr": {"from": 0.3, "to": 0.2}, "k": {"from": 1, "to": 2}},
    ]


def test_nothing_is_noted_of_a_run_that_has_no_step_left(run_of, capsys):
    out = run_of("gan")
    before = look(out)
    assert go_on("gan", out, 2, *assign(lr=0.3)) == 0
    assert "nothing to do, nothing changed" in capsys.readouterr().out
    assert look(out) == before


def repeat(model, config, out):
    """Train a run again from what its config.json says, as examples/README.md describes it."""
    first = dict(config["arguments"])
    for entry in reversed(config["overrides"]):
        for name, change in entry.items():
            if name != "step":
                first[name] = change["from"]
    argv = ["--out", out]
    for name, value in first.items():
        written = name.replace("_", "-")
        if isinstance(value, bool):
            argv += [f"--{written}"] if value else []
        elif value is not None and name != "steps":
            argv += [f"--{written}", value]
    for entry in config["overrides"]:
        values = {name: entry[name]["to"] for name in entry if name != "step"}
        assert call(SCRIPTS[model][0], *argv, "--steps", entry["step"], "--quiet") == 0
        argv = ["--resume", "--out", out, *assign(**values)]
    assert call(SCRIPTS[model][0], *argv, "--steps", first["steps"], "--quiet") == 0


@every_script
def test_a_run_with_overrides_is_repeated_from_its_config(run_of, tmp_path, model):
    out = run_of(model)
    assert go_on(model, out, 3, *assign(lr=0.003)) == 0
    assert go_on(model, out, 5, *assign(lr=0.002, batch_size=3)) == 0
    repeat(model, config_of(out), tmp_path / "again")
    assert bits(tmp_path / "again") == bits(out)


# ---- other data


def test_other_data_begin_a_new_epoch(run_of, trained):
    out = run_of("gan")
    before = state_of(out)["batches"]
    assert go_on("gan", out, 5, *assign(data=trained / "grey.npz")) == 0
    now = state_of(out)["batches"]
    assert (before["epoch"], before["images"]) == (0, 1437)
    assert (now["epoch"], now["images"], now["position"]) == (1, 40, 3 * 4)
    assert config_of(out)["arguments"]["data"] == str(trained / "grey.npz")
    assert config_of(out)["overrides"][0]["data"]["from"] == "digits"
    assert go_on("gan", out, 6) == 0


def test_two_folders_take_the_place_of_one_name(run_of, trained):
    """An empty value stands for an option that is not given."""
    out = run_of("cyclegan")
    kinds = dict(data_a=trained / "colour.npz", data_b=trained / "grey.npz")
    assert go_on("cyclegan", out, 3, *assign(data="", **kinds)) == 0
    state = state_of(out)
    assert [state[f"batches_{kind}"]["images"] for kind in "AB"] == [40, 40]
    assert config_of(out)["arguments"]["data"] is None
    assert go_on("cyclegan", out, 4) == 0


def test_data_that_would_need_other_networks_are_refused(run_of, trained):
    out = run_of("dcgan")
    before = look(out)
    said = go_on("dcgan", out, 3, *assign(data=trained / "colour.npz"))
    assert said == (
        f"cannot go on from the checkpoint in {out}: its networks were built with channels 1, but "
        "with the data of --override they would be built with 3"
    )
    assert look(out) == before


def test_data_that_cannot_be_read_are_refused(run_of, capsys):
    out = run_of("gan")
    before = look(out)
    assert go_on("gan", out, 3, *assign(data="nowhere")) == 2
    assert "there is no data set, folder or file nowhere" in capsys.readouterr().err
    assert go_on("gan", out, 3, *assign(batch_size=2000)) == 2
    assert "--batch-size is 2000, expected a whole number from 1 to 1437" in capsys.readouterr().err
    assert look(out) == before


def test_a_set_that_has_grown_is_taken_up_on_purpose_only(tmp_path):
    path = tmp_path / "mine.npz"
    images = np.random.default_rng(0).integers(0, 256, (30, 8, 8), np.uint8)
    np.savez(path, images=images[:20])
    out = tmp_path / "run"
    small = "--hidden", 3, "--units", 2, "--image-size", 8, "--batch-size", 4, "--quiet"
    assert call("train_gan", *small, "--data", path, "--steps", 2, "--out", out) == 0
    same = assign(data=path)
    assert go_on("gan", out, 3, *same) == 0
    assert "overrides" not in config_of(out)
    assert state_of(out)["batches"]["epoch"] == 0
    np.savez(path, images=images)
    assert "the data order is that of images 20, expected 30" in go_on("gan", out, 4)
    assert go_on("gan", out, 4, *same) == 0
    assert config_of(out)["overrides"] == [
        {"step": 3, "data": {"from": str(path), "to": str(path)}}
    ]
    assert state_of(out)["batches"]["epoch"] == 1
    assert go_on("gan", out, 5) == 0


def test_a_pool_with_more_fakes_than_its_new_size_is_refused(run_of):
    out = run_of("cyclegan")
    before = look(out)
    assert "pool's state has 8 images, expected at most 3" in go_on(
        "cyclegan", out, 3, *assign(pool_size=3)
    )
    assert look(out) == before


def test_steps_still_fit_the_schedule(run_of, capsys):
    out = run_of("cyclegan")
    assert go_on("cyclegan", out, 9, *assign(constant_steps=3, decay_steps=4)) == 2
    assert "--steps 9 is more than --constant-steps 3" in capsys.readouterr().err


# ---- what is said


def test_what_changes_is_said(train, copy):
    options = "--resume", "--steps", 22, "--override", "lr=0.01"
    status, output, _ = train("--out", copy, *options)
    assert status == 0
    said = output.splitlines()
    assert said[1:3] == ["going on from step 20 of 22", "from here on: --lr 0.01, before: 0.03"]


def test_help_names_the_overrides(capsys):
    assert call("train_gan", "--help") == 0
    assert "--override NAME=VALUE" in capsys.readouterr().out
