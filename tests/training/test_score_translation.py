"""score_translation.py: the report of a run, and a config.json that does not name the data."""

import json
import os
import re
import shutil

import pytest
from cyclegan_runs import refused

pytest.importorskip("PIL", reason="images are read and written by Pillow")
pytest.importorskip("matplotlib", reason="training draws its losses")
import score_translation  # noqa: E402


def test_scoring_a_run_prints_the_translation_beside_what_needs_no_training(cyclegan, capsys):
    score_translation.main([str(cyclegan)])
    said = capsys.readouterr().out
    assert "step 2, 360 test pairs" in said
    assert "the best recolouring" in said


@pytest.mark.parametrize(
    "change",
    [
        None,
        [],
        {"data": 3},
        {"image_size": "16"},
        {"load_size": 1.5},
        {"halves": []},
        {"skip_unreadable": None},
        {"data_dir": {}},
    ],
)
def test_a_config_that_does_not_say_what_the_data_were_is_refused_in_one_sentence(
    cyclegan, tmp_path, capsys, change
):
    run = tmp_path / "copy"
    shutil.copytree(cyclegan, run)
    config = json.loads((run / "config.json").read_text())
    if isinstance(change, dict):
        config["arguments"].update(change)
    else:
        config["arguments"] = change
    (run / "config.json").write_text(json.dumps(config))
    said = refused(capsys, score_translation.main, run)
    sentence = "config.json (is damaged|does not say what the checkpoint was trained on): "
    assert re.search(sentence, said)


def test_a_config_that_is_a_pipe_is_not_opened(cyclegan, tmp_path, capsys):
    run = tmp_path / "copy"
    shutil.copytree(cyclegan, run)
    (run / "config.json").unlink()
    os.mkfifo(run / "config.json")
    assert "is a named pipe" in refused(capsys, score_translation.main, run)
