"""A tiny real DETR, saved as transformers saves it, that was taught one picture by solving for its last layers.

Everything before the two heads is drawn at random. On `scene()` it finds FOUND, to the pixel and to about a thousandth
of a score; on any other picture whatever comes out, which is as good for comparing with transformers called directly.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image, ImageDraw
from transformers import (
    DetrConfig,
    DetrForObjectDetection,
    DetrImageProcessor,
    ResNetConfig,
    YolosConfig,
    YolosForObjectDetection,
    YolosImageProcessor,
)

from mirror.tasks.detections import Box, Detection

LABELS = ("person", "bicycle", "car", "traffic light")
FOUND = (  # in the order of the queries, which is not that of the scores
    Detection(0.62, "person", Box(196, 52, 232, 150)),
    Detection(0.998, "bicycle", Box(18, 110, 118, 200)),
    Detection(0.93, "bicycle", Box(130, 116, 226, 204)),
    Detection(0.30, "traffic light", Box(284, 10, 304, 66)),
    Detection(0.12, "car", Box(236, 96, 318, 142)),
)
QUERIES, WIDTH = 10, 64  # more dimensions than queries, so that the heads can be solved for
IMAGE_SHARE = 0.05  # how much of a picture gets through, so that another one is answered a little differently
NOTHING = -7.0  # a logit far below those of what is found


def scene() -> Image.Image:
    """A street, 320 × 240: two bicycles, somebody, a car and a traffic light."""
    picture = Image.new("RGB", (320, 240), (196, 214, 230))
    pen = ImageDraw.Draw(picture)
    pen.rectangle((0, 150, 319, 239), fill=(120, 118, 116))
    for left, right in ((18, 118), (130, 226)):
        for x in (left, right - 44):
            pen.ellipse((x, 156, x + 44, 200), outline=(30, 30, 30), width=4)
        frame = [(left + 22, 178), (left + 40, 128), (right - 22, 178), (left + 52, 178), (left + 40, 128)]
        pen.line(frame, (20, 90, 160), 4)
    pen.ellipse((204, 52, 224, 74), fill=(224, 172, 140))
    pen.rectangle((198, 74, 230, 150), fill=(200, 60, 50))
    pen.rectangle((236, 110, 318, 136), fill=(40, 120, 80))
    pen.rectangle((284, 10, 304, 66), fill=(40, 40, 40))
    pen.ellipse((288, 14, 300, 26), fill=(230, 60, 40))
    return picture


def tiny_detector(
    folder: Path, picture: Image.Image | None = None, found: Sequence[Detection] = FOUND, *, timm: bool = False,
    labels: Sequence[str] = LABELS,
) -> Path:  # fmt: skip
    """Saves the detector in `folder`. timm: with a backbone of timm's, and the configuration written as it was when
    facebook/detr-resnet-50 was published (a backbone's name beside `use_timm_backbone`)."""
    torch.manual_seed(0)
    backbone = (
        {"backbone": "test_resnet", "use_timm_backbone": True}
        if timm
        else {"use_timm_backbone": False, "backbone_config": _resnet()}
    )
    config = DetrConfig(
        d_model=WIDTH, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2, decoder_attention_heads=2,
        encoder_ffn_dim=64, decoder_ffn_dim=64, num_queries=QUERIES, id2label=dict(enumerate(labels)),
        label2id={label: number for number, label in enumerate(labels)}, **backbone,
    )  # fmt: skip
    model, processor = DetrForObjectDetection(config).eval(), DetrImageProcessor(size=_size())
    _teach(model, processor, picture or scene(), found, labels)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    if timm:
        path = Path(folder, "config.json")
        fields = json.loads(path.read_text())
        del fields["backbone_config"]
        fields |= {"backbone": "test_resnet", "use_timm_backbone": True, "use_pretrained_backbone": True}
        path.write_text(json.dumps(fields))
    return Path(folder)


@torch.no_grad()
def _teach(model, processor, picture: Image.Image, found: Sequence[Detection], labels: Sequence[str]) -> None:
    """Sets both heads' last layers so that the first queries give `found` on this picture, and the others nothing."""
    backbone = model.model.backbone
    first = next(layer for layer in backbone.modules() if isinstance(layer, torch.nn.Conv2d))
    first.weight.mul_(IMAGE_SHARE)
    for layer in backbone.modules():
        if hasattr(layer, "running_mean"):
            layer.bias.normal_()  # what a place sees of the border's padding tells the places apart in any picture
    model.model.query_position_embeddings.weight.normal_(0, 3)
    _stir(model)
    states = model.model(**processor(picture, return_tensors="pt")).last_hidden_state[0]
    _solve(model.class_labels_classifier, states, _logits(found, labels))
    for layer in model.bbox_predictor.layers[:-1]:
        states = layer(states).relu()
    _solve(model.bbox_predictor.layers[-1], states, _boxes(found, picture.size).logit())


def _stir(model: torch.nn.Module) -> None:
    """Weights that keep the size of what passes; transformers' own start leaves the queries nearly alike."""
    for layer in model.modules():
        if isinstance(layer, torch.nn.Linear):
            layer.weight.normal_(0, layer.in_features**-0.5)


def _logits(found: Sequence[Detection], labels: Sequence[str]) -> torch.Tensor:
    """What the queries say, the last column being "nothing"."""
    logits = torch.full((QUERIES, len(labels) + 1), NOTHING)
    logits[:, -1] = 0
    for query, each in enumerate(found):
        score = torch.tensor(each.score)
        logits[query, labels.index(each.label)], logits[query, -1] = score.log(), (1 - score).log()
    return logits


def _boxes(found: Sequence[Detection], size: tuple[int, int]) -> torch.Tensor:
    """Centre, width and height in shares of the picture; half a pixel to the right and down, since DETR's answers are
    cut to whole pixels, not rounded."""
    boxes = torch.full((QUERIES, 4), 0.5)
    for query, box in enumerate(each.box for each in found):
        middle = [(box.xmin + box.xmax + 1) / 2, (box.ymin + box.ymax + 1) / 2]
        boxes[query] = torch.tensor([*middle, box.xmax - box.xmin, box.ymax - box.ymin]) / torch.tensor([*size, *size])
    return boxes


def _solve(layer: torch.nn.Linear, inputs: torch.Tensor, outputs: torch.Tensor) -> None:
    """The smallest weights that turn these inputs into these outputs."""
    bias = outputs.mean(0)
    layer.weight.copy_((torch.linalg.pinv(inputs.double()) @ (outputs - bias).double()).T)
    layer.bias.copy_(bias)


def _resnet() -> ResNetConfig:
    return ResNetConfig(
        embedding_size=8, hidden_sizes=[8, 8, 16, 16], depths=[1, 1, 1, 1], layer_type="basic", out_features=["stage4"]
    )


def _size() -> dict[str, int]:
    return {"shortest_edge": 96, "longest_edge": 160}


def tiny_yolos(folder: Path) -> Path:
    """A vision transformer that detects, as hustvl/yolos-tiny is one; all at random."""
    torch.manual_seed(1)
    config = YolosConfig(
        hidden_size=WIDTH, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64, image_size=[96, 128],
        num_detection_tokens=QUERIES, id2label=dict(enumerate(LABELS)), 
        label2id={label: number for number, label in enumerate(LABELS)},
    )  # fmt: skip
    model = YolosForObjectDetection(config).eval()
    with torch.no_grad():
        for tokens in (each for name, each in model.vit.named_parameters() if "tokens" in name or "position" in name):
            tokens.normal_(0, 0.5)
        _stir(model)
        model.class_labels_classifier.layers[-1].weight.mul_(12)
    model.save_pretrained(folder)
    YolosImageProcessor(size=_size()).save_pretrained(folder)
    return Path(folder)


def tiny_rt_detr(folder: Path, kind: str = "RTDetr") -> Path:
    """An RT-DETR; kind: or RTDetrV2, or DFine. All at random, but so that photos and queries tell each other apart."""
    import transformers

    torch.manual_seed(2)
    stages = {"out_features": ["stage2", "stage3", "stage4"], "hidden_sizes": [8, 16, 24, 32]}
    sides = {"stage_in_channels": [8, 8, 16, 24], "stage_mid_channels": [8] * 4, "stage_out_channels": [8, 16, 24, 32]}
    blocks = {"stage_num_blocks": [1] * 4, "stage_numb_of_layers": [1] * 4, "stem_channels": [3, 8, 8]}
    if kind == "DFine":
        backbone = transformers.HGNetV2Config(**stages, **sides, **blocks)
    else:
        resnet = {"embedding_size": 8, "depths": [1] * 4, "layer_type": "basic"}
        backbone = transformers.RTDetrResNetConfig(**stages, **resnet)
    heads = {"encoder_attention_heads": 2, "decoder_attention_heads": 2}
    widths = {"d_model": 32, "encoder_hidden_dim": 32, "encoder_ffn_dim": 32, "decoder_ffn_dim": 32}
    channels = {"encoder_in_channels": [16, 24, 32], "decoder_in_channels": [32] * 3}
    config = getattr(transformers, f"{kind}Config")(
        backbone_config=backbone, **heads, **widths, **channels, decoder_layers=2, num_queries=12, num_denoising=0,
        id2label=dict(enumerate(LABELS)), label2id={label: number for number, label in enumerate(LABELS)},
    )  # fmt: skip
    model = getattr(transformers, f"{kind}ForObjectDetection")(config).eval()
    with torch.no_grad():
        for layer in model.modules():
            if isinstance(layer, torch.nn.Linear | torch.nn.Conv2d):
                layer.weight.normal_(0, layer.weight[0].numel() ** -0.5)
    model.save_pretrained(folder)
    transformers.RTDetrImageProcessor(size={"height": 160, "width": 160}).save_pretrained(folder)
    return Path(folder)
