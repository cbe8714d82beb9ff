"""`sweeper export`: a trial becomes a script of SageMaker's SDK, and that script an experiment again."""

from __future__ import annotations

import ast
import csv
import json

import yaml

from tests.end_to_end.conftest import Project


def test_the_best_trial_is_written_as_a_script(project: Project) -> None:
    """It names the code where the job has read it and the values of that trial; nothing is overwritten."""
    assert project.run("hyperparameters.x=1,2", "+job.tags.team=us").code == 0
    made = project.verb("export", "tiny", "--as", "model_trainer", "--to", "best.py")
    assert made.code == 0, made.err
    text = (project.root / "best.py").read_text()
    ast.parse(text)
    (channel,) = (c for c in project.jobs()[-1]["InputDataConfig"] if c["ChannelName"] == "sweeper")
    assert f'source_dir="{channel["DataSource"]["S3DataSource"]["S3Uri"]}source.tar.gz"' in text
    assert 'entry_script="train.py"' in text and "It came to score = 20." in text and 'Tag(key="team"' in text
    again = project.verb("export", "tiny", "1", "--as", "model_trainer", "--to", "best.py")
    assert (again.code, again.err) == (2, "sweeper: best.py is there already, and nothing is overwritten\n")
    assert project.verb("init", "--from", "best.py").code == 0
    read = yaml.safe_load((project.root / "experiments/best.yaml").read_text())
    assert read["hyperparameters"] == {"x": 2, "wait": 0, "fail": 0}
    assert read["locked"]["instance_type"] == "ml.m5.large"
    _the_tables_say_what_results_say(project)


def _the_tables_say_what_results_say(project: Project) -> None:
    """Trials as results.csv has them, and every value that the jobs have printed, anew in the sweep's folder."""
    for _ in range(2):
        assert project.verb("export", "tiny").out.splitlines()[1] == "wrote runs/tiny/export/points.csv: 2 rows"
    tables = [
        list(csv.DictReader((project.root / f"runs/tiny/export/{name}.csv").open())) for name in ("trials", "points")
    ]
    assert [{key: row[key] for key in row if key != "sweep"} for row in tables[0]] == project.rows()
    last = [(row["trial"], row["job_name"], row["metric.score"]) for row in project.rows()]
    assert [(row["trial"], row["job_name"], row["value"]) for row in tables[1]] == last
    assert project.verb("export", "tiny", "--to", "made", "--format", "jsonl").code == 0
    point = json.loads((project.root / "made/points.jsonl").read_text().splitlines()[0])
    assert (point["sweep"], point["index"], point["metric"], point["step"]) == ("tiny", 1, "score", 1)
    again = project.verb("export", "tiny", "--to", "made", "--format", "jsonl")
    assert (again.code, again.err.endswith("trials.jsonl is there already, and nothing is overwritten\n")) == (2, True)
    for words, told in {
        "--to best.py": "best.py is no folder, and the tables are two files",
        "1": "the tables hold every trial: to write 1 alone say --as model_trainer",
        "--as model_trainer --format csv": "--format is one of the tables: --as model_trainer writes a trial",
    }.items():
        refused = project.verb("export", "tiny", *words.split())
        assert (refused.code, refused.err) == (2, f"sweeper: {told}\n")
