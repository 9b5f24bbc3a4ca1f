"""A fetch stage: one task's data or one base model, brought into the store in one fixed form, on a CPU.

Data become one Parquet file a listing (`<language>/<split>.parquet`) with counts and digests of the canonical examples
in the manifest, so that every number names the bytes it came from. A model becomes an `encoder/` folder without the
heads of its pretraining. torch is imported for models alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs import stop
from jobs.context import Context, log
from xtl.errors import UserError
from xtl.fit import NO_HEAD
from xtl.inventory import digest_of_model, local_data
from xtl.model_folder import weights
from xtl.tasks import TASKS, canonical, source
from xtl.tasks.base import Example, Listing

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


def run(context: Context) -> dict[str, Any]:
    """Fetch what the spec names; the manifest's body."""
    return _data(context) if context.spec["what"] == "data" else _model(context)


def _data(context: Context) -> dict[str, Any]:
    task, part, origin = (context.spec[name] for name in ("task", "part", "origin"))
    if "hub" in origin:
        from xtl.tasks import hub

        listings = hub.unit_listings(task, part, origin["hub"])
    else:
        listings = _from_folder(context, task, part, origin["digest"])
    metrics: dict[str, dict[str, Any]] = {}
    for listing in listings:
        path = context.out / listing.language / f"{listing.split}.parquet"
        path.parent.mkdir(exist_ok=True)
        with context.phase("reading"):
            summary = canonical.write_parquet(_stoppable(listing.read()), listing.form, path)
        log.info("%s %s %s: %d examples", task, listing.language, listing.split, summary["examples"])
        if listing.dropped:
            log.info("rows left out: %s", dict(listing.dropped))
            summary = {**summary, "dropped": dict(listing.dropped)}
        metrics.setdefault(listing.language, {})[listing.split] = summary
    return {"metrics": {"listings": metrics}}


def _from_folder(context: Context, task: str, part: str, digest: str) -> list[Listing]:
    folder = local_data(context.where["folder"])
    listings = source.unit_listings(task, part, folder)
    found = source.unit_digest(listings, folder)
    if found != digest:
        raise UserError(
            f"the files of {TASKS[task].title} in {folder} changed since this stage was planned "
            f"(sha256 {found[:12]}, planned {digest[:12]}); run the grid again to plan with the new files"
        )
    return listings


def _stoppable(examples: Iterable[Example]) -> Iterator[Example]:
    for index, example in enumerate(examples):
        if index % 1000 == 0:
            stop.check()
        yield example


def _model(context: Context) -> dict[str, Any]:
    from jobs import model as models

    identity: Mapping[str, Any] = context.spec["model"]
    encoder: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    folder = context.out / "encoder"
    folder.mkdir()
    if "tiny" in identity:
        from jobs.tiny import make_encoder, train_tokenizer

        shape = identity["tiny"]
        tokenizer = train_tokenizer(_texts(context), vocab_size=shape["vocabulary"])
        encoder = make_encoder(
            tokenizer, seed=shape["seed"], layers=shape["layers"], hidden=shape["hidden"], heads=shape["heads"]
        )
    else:
        place = _model_folder(context, identity)
        encoder = models.load_encoder(place, fetched=True)
        tokenizer = models.load_tokenizer(place)
        models.check_vocabulary(encoder, tokenizer, str(context.where["model"]))
        if context.spec.get("head") and not models.save_head(place, encoder, context.out):
            if context.where.get("asked"):  # better here than where a GPU waits
                raise UserError(f"{context.where['model']}: {NO_HEAD}")
            log.info("no language-model head among the weights: the arm prompted cannot ask this model")
    models.save_encoder(encoder, tokenizer, folder)
    count = sum(parameter.numel() for parameter in encoder.parameters())
    log.info("encoder of %d weights in %d layers", count, encoder.config.num_hidden_layers)
    chats = {"chat_template": True} if getattr(tokenizer, "chat_template", None) else {}
    if chats:
        log.info("the tokenizer has a chat template, which xtl never applies: every input is plain text")
    return {"metrics": {"weights": count, "layers": encoder.config.num_hidden_layers, **chats}}


def _model_folder(context: Context, identity: Mapping[str, Any]) -> Path:
    if "hub" in identity:
        from xtl.tasks.hub import download_model

        with context.phase("downloading"):
            return download_model(identity["hub"], identity["revision"], context.work / "model")
    folder = local_data(context.where["model"])
    weights(folder)
    if digest_of_model(folder) != identity["digest"]:
        raise UserError(f"the files of {folder} changed since this stage was planned; run the grid again")
    return folder


def _texts(context: Context) -> Iterator[str]:
    """Every text of the grid's data, for the tiny model's tokenizer, in an order fixed by the keys."""
    for key in context.spec["parents"]["data"]:
        for name in sorted(context.manifest(key)["files"]):
            if name.endswith(".parquet"):
                stop.check()
                for example in canonical.read_parquet(context.pull(key, [name]) / name):
                    yield from _strings(example)


def _strings(example: Example) -> Iterator[str]:
    for field in ("text_a", "text_b", "question", "context", "text"):
        if example.get(field):
            yield example[field]
    if "tokens" in example:
        yield " ".join(example["tokens"])
    yield from example.get("choices", ())
