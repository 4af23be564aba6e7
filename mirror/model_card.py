"""README.md of a model folder, its model card: what mirror.describe says, as templates/model_card.md lays it out.

The front matter is Hugging Face's model card metadata (https://huggingface.co/docs/hub/model-cards).
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

from markupsafe import Markup

from mirror.describe import ModelDescription
from mirror.metric_sentences import photos_judged
from mirror.model_schema import ModelInfo
from mirror.templates import render_markdown

SHOWN_MATRIX = 12  # labels
NAMED = 6  # labels in the card's title


def write_card(folder: Path, info: ModelInfo) -> None:
    """README.md of a model folder that holds all its other files already."""
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    info = dataclasses.replace(info, files=dict.fromkeys(names, ""))
    (folder / "README.md").write_text(model_card(info), encoding="utf-8")


def model_card(info: ModelInfo) -> str:
    """The card as Markdown. Its sentences on files are about those in `info.files`."""
    model = ModelDescription(info)
    matrix = info.metrics.confusion_matrix if info.metrics else ()
    card = render_markdown(
        "model_card.md",
        card_data=Markup(_metadata(model).to_yaml()),
        model=model,
        title=" or ".join(model.labels) if len(model.labels) <= NAMED else f"{len(model.labels)} labels",
        label_rows=[(label, *figures) for label, _, *figures in model.label_rows],
        matrix_rows=list(zip(model.labels, *zip(*matrix, strict=True), strict=True))
        if len(matrix) <= SHOWN_MATRIX
        else [],
    )
    return card.rstrip() + "\n"


def _metadata(model: ModelDescription):
    from huggingface_hub import EvalResult, ModelCardData

    info, published, results = model.info, model.published, None
    if model.judged:
        photos = f"{info.name}: {photos_judged(model.judged.photos, model.judged)}"
        results = [
            EvalResult(
                task_type="image-classification",
                dataset_type=published.task if published else "imagefolder",
                dataset_name=published.test_split if published else photos,
                metric_type="accuracy",
                metric_value=round(1 - model.judged.error_rate, 4),
            )
        ]
    return ModelCardData(
        library_name="fastai" if info.pickle else "onnx",
        datasets=[published.hub] if published else None,
        pipeline_tag="image-classification",
        tags=["image-classification", *(["fastai"] if info.pickle else []), "onnx"],
        metrics=["accuracy"] if results else None,
        model_name=info.name,
        eval_results=results,
    )
