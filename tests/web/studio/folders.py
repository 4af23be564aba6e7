"""A photo folder as train.py leaves it, and a tiny model that says something of its photos; no torch needed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mirror.collect import PhotoFolder
from mirror.collect.issue_files import (
    DISPUTED,
    LOOK_ALIKE,
    OUTLIER,
    PREDICTIONS_CSV,
    SUSPECTS_CSV,
    PhotoIssue,
    PhotoPrediction,
    write_issues,
    write_predictions,
)
from mirror.collect.photo_records import Origin, Photo
from mirror.collect.splits import assign_splits
from mirror.metrics_schema import Metrics, TopLoss, Validation
from mirror.model_folder import write_model_folder
from mirror.model_schema import ModelInfo, OnnxInfo, Preprocessing, TrainingInfo
from tests.web.tiny import SIZE, tiny_onnx
from tests.world import draw_photo, encode

LABELS = ("cygnet", "duckling")
HOSTILE = """<img src=x onerror="document.title='taken'"> "quoted" & 'more' ${document.title='taken'} {{title}}"""
QUICK = ("--arch", "tf_efficientnet_lite0", "--seed", "7", "--size", "96", "--precision", "fp32")


def photo_folder(path: Path, each: int = 10, labels: Sequence[str] = LABELS) -> list[Photo]:
    """`each` drawings a label; the first one's title and page are hostile."""
    with PhotoFolder(path) as folder:
        for label in labels:
            for seed in range(each):
                first = label == labels[0] and seed == 0
                origin = Origin(
                    f"https://photos.example/{label}/{seed}.jpg", label, query=label, engine="test",
                    page_url="javascript:alert(1)" if first else f"https://pages.example/{label}/{seed}",
                    title=HOSTILE if first else f"{label} no. {seed}", retrieved_at="2026-11-20T10:00:00+00:00",
                )  # fmt: skip
                stored = folder.add(origin, encode(draw_photo(label, seed, (160, 128))))
                assert isinstance(stored, Photo), stored
        folder.save_splits(assign_splits(folder.photos, seed=7))
        return folder.photos


def model_of(
    models: Path, name: str, photos: Sequence[Photo], *, labels: Sequence[str] = LABELS,
    options: Sequence[str] = QUICK, report: bool = True,
) -> Path:  # fmt: skip
    """models/<name>, which disputes photos 1 and 2, wonders at 3, and takes 4 and 5 for copies of each other."""

    def build(folder: Path) -> ModelInfo:
        (folder / "model.onnx").write_bytes(tiny_onnx(len(labels)))
        if report:
            _, one, two, three, four, five = photos[:6]
            told = "taken for duckling with 93 %"
            suspects = [
                PhotoIssue(one.file_name, DISPUTED, 0.9, one.label, "duckling", "", told),
                PhotoIssue(two.file_name, DISPUTED, 0.8, two.label, "duckling", "", told),
                PhotoIssue(three.file_name, OUTLIER, 0.7, three.label, "", "", f"unlike the others <b>{HOSTILE}</b>"),
                PhotoIssue(four.file_name, LOOK_ALIKE, 0.6, four.label, "", five.file_name, "almost the same"),
            ]
            write_issues(folder / SUSPECTS_CSV, suspects)
            rows = [(photo, "duckling" if photo in (one, two) else photo.label) for photo in photos]
            predictions = [PhotoPrediction(p.file_name, p.label, said, 0.93, "validation") for p, said in rows]
            write_predictions(folder / PREDICTIONS_CSV, predictions)
        judged = Validation(photos=len(photos), errors=2, error_rate=2 / len(photos), interval=(0.028, 0.301))
        loss = TopLoss(photos[1].file_name, photos[1].label, labels[-1], 0.93, 2.7)
        return ModelInfo(
            name, tuple(labels), Preprocessing("squish", (SIZE, SIZE), (0.0,) * 3, (1.0,) * 3),
            OnnxInfo(outputs=("logits", "similarity")), arch="tf_efficientnet_lite0",
            metrics=Metrics(judged, top_losses=(loss,)), training=TrainingInfo(options=tuple(options)),
        )  # fmt: skip

    return write_model_folder(models / name, build).path
