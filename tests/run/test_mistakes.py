"""A user's mistakes, each told in a sentence with what to do, with exit status 2 and without a traceback."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.grids import bare_model
from tests.run.study import FAILING, RETRIEVAL, Study
from tests.s3server import S3Server

ESCAPE = "\x1b]0;owned\x07\x1b[31m"


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return Study(tmp_path, FAILING)


def refused(study: Study, *arguments: str, **env: str) -> str:
    """What is said; nothing is written anywhere."""
    told = study.xtl("run", *arguments, **env)
    assert told.status == 2, told
    assert told.out == ""
    assert not (study.folder / "store").exists()
    return told.err


def edit(study: Study, before: str, after: str) -> None:
    path = study.folder / "grid.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace(before, after), encoding="utf-8")


def test_the_grid_file(study: Study) -> None:
    assert "no-such.yaml: no such file" in refused(study, "no-such.yaml", "--store", "store")
    (study.folder / "empty.yaml").write_text("", encoding="utf-8")
    assert "empty.yaml:1: the grid is empty" in refused(study, "empty.yaml", "--store", "store")
    typos = "\n".join(f"sedes{n}: [1]" for n in range(50))
    (study.folder / "typos.yaml").write_text(f"{RETRIEVAL}{typos}\n", encoding="utf-8")
    told = refused(study, "typos.yaml", "--store", "store")
    assert told.count("did you mean 'seeds'") == 50
    assert "typos.yaml:57: unknown key 'sedes49'" in told


def test_where_results_go_and_data_come_from(study: Study) -> None:
    assert "no store: give the grid a `store:`" in refused(study, "grid.yaml")
    for store in ("ftp://host/x", "s3://", "s3:///"):
        told = refused(study, "grid.yaml", "--store", store)
        assert "is no store: " in told
        assert "s3://bucket/prefix" in told
    told = refused(study, "grid.yaml", "--store", "store", "--data", "nowhere")
    assert f"data: {study.folder}/nowhere is not a folder" in told
    (study.folder / "data/xnli/XNLI-1.0/xnli.test.tsv").unlink()
    (study.folder / "data/xnli/XNLI-1.0/xnli.dev.tsv").unlink()
    told = refused(study, "grid.yaml", "--store", "store")
    assert "target xnli: no test or dev data in any of ar, bg, de" in told


def test_a_model_folder(study: Study) -> None:
    edit(study, "model: tiny", "model: ./m")
    assert f"there is no folder {study.folder}/m" in refused(study, "grid.yaml", "--store", "store")
    bare_model(study.folder / "m")
    (study.folder / "m/config.json").unlink()
    assert f"no config.json in {study.folder}/m" in refused(study, "grid.yaml", "--store", "store")
    for text in ("{", "[]", '{"hidden_size": "many"}', "\xff"):
        (study.folder / "m/config.json").write_text(text, encoding="latin-1")
        told = refused(study, "grid.yaml", "--store", "store")
        assert f"model: {study.folder}/m/config.json is no model's configuration" in told


def test_no_hub(study: Study) -> None:
    quickstart = str(Path(__file__).resolve().parents[2] / "grids/quickstart.yaml")
    told = refused(study, quickstart, "--store", "store", HF_HUB_OFFLINE="1", HF_HOME=str(study.folder / "hf"))
    assert "the hub is switched off (HF_HUB_OFFLINE)" in told
    assert "a folder of published files (`data:`)" in told
    edit(study, "model: tiny", "model: xlm-roberta-base")
    assert "a hub id such as FacebookAI/xlm-roberta-large" in refused(study, "grid.yaml", "--store", "store")


def test_a_name_that_another_grid_holds(study: Study) -> None:
    study.break_xnli()
    assert study.run().status == 1
    edit(study, "[xnli, tatoeba]", "[xnli]")
    told = study.run()
    assert told.status == 2, told
    assert f"{study.folder}/store already holds another grid named 'failing'" in told.err
    assert "-targets: [xnli, tatoeba]\n+targets: [xnli]\n" in told.err
    assert "--replace" in told.err
    assert study.run("--replace").status == 1
    assert study.xtl("status", "grid.yaml", "--store", "store").out.startswith("failing: 1 failed, 1 done, 4 skipped")


def test_credentials(study: Study, s3: S3Server) -> None:
    url = s3.fresh_url()
    for wrong, why in (
        ({"AWS_SECRET_ACCESS_KEY": "wrongwrongwrong"}, "the secret key does not belong to the access key"),
        ({"AWS_ACCESS_KEY_ID": "nobody"}, "the store does not know this access key"),
        ({"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}, "no credentials found"),
    ):
        told = refused(study, "grid.yaml", "--store", url, **wrong)
        assert told.startswith(f"failed: {url} at {s3.endpoint}: {why}"), told
        assert s3.secret not in told
        assert "wrongwrong" not in told
    told = refused(study, "grid.yaml", "--store", "s3://no-such-bucket/x")
    assert "there is no such bucket" in told


def test_a_store_that_nobody_may_write_to(study: Study) -> None:
    (study.folder / "file").write_text("", encoding="utf-8")
    told = study.xtl("run", "grid.yaml", "--store", "file/store")
    assert told.status == 1, told
    assert "a file stands where a folder should be: choose another folder" in told.err
    told = study.xtl("run", "grid.yaml", "--store", "/proc/xtl")
    assert told.status == 1, told
    assert told.err.startswith("failed: cannot ")


def test_terminal_escapes_are_spelled_out(tmp_path: Path) -> None:
    """In a model's name, a data row, a path: in what is said, in tables and in logs."""
    study = Study(tmp_path / f"in{ESCAPE}", FAILING.replace("model: tiny", 'model: "./m\\e[31m"'))
    bare_model(study.folder / "m\x1b[31m")
    for name in ("xnli.test.tsv", "xnli.dev.tsv"):
        path = study.folder / "data/xnli/XNLI-1.0" / name
        path.write_text(path.read_text(encoding="utf-8").replace("neutral", f"neu{ESCAPE}tral"), encoding="utf-8")
    (study.folder / f"bad{ESCAPE}.yaml").write_text(f"name: '{ESCAPE}'\n{ESCAPE}: 1\n", encoding="utf-8")
    told = [
        study.run(),
        study.xtl("plan", "grid.yaml", "--store", "store"),
        study.xtl("status", "grid.yaml", "--store", "store"),
        study.xtl("logs", "grid.yaml", "fetch xnli", "--store", "store"),
        study.xtl("logs", "grid.yaml", "fetch", "--store", "store"),
        study.xtl("run", f"bad{ESCAPE}.yaml", "--store", "store"),
        study.xtl("run", f"none{ESCAPE}.yaml", "--store", "store"),
        study.xtl("run", "grid.yaml", "--store", "store", "--data", f"none{ESCAPE}"),
    ]
    assert [one.status for one in told] == [1, 0, 0, 0, 2, 2, 2, 2], told
    assert "\\x1b[31m" in told[0].err
    for one in told:
        assert not set(one.out + one.err) & set("\x1b\x07"), one
