"""Real transformers models of tiny size, made by the real classes and saved to disk as anybody would save theirs."""

from __future__ import annotations

from pathlib import Path

LABELS = ("tabby cat", "crane", "balloon", "crane", "bicycle", "coffee mug")  # two are called the same, as in ImageNet


def tiny_vit(folder: Path, *, labels: tuple[str, ...] = LABELS, seed: int = 0, **settings: object) -> Path:
    """A Vision Transformer of 32 px that tells `labels` apart at random, with its image processor."""
    import torch
    from transformers import ViTConfig, ViTForImageClassification, ViTImageProcessor

    torch.manual_seed(seed)
    config = ViTConfig(
        hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32, image_size=32, patch_size=8,
        id2label=dict(enumerate(labels)), label2id={label: i for i, label in enumerate(labels)}, initializer_range=0.3,
        **settings,
    )  # fmt: skip
    ViTForImageClassification(config).save_pretrained(folder)
    ViTImageProcessor(size={"height": 32, "width": 32}).save_pretrained(folder)
    return folder


def tiny_convnext(folder: Path) -> Path:
    """A ConvNeXT, whose photos are cropped after they are scaled."""
    import torch
    from transformers import ConvNextConfig, ConvNextForImageClassification, ConvNextImageProcessor

    torch.manual_seed(0)
    config = ConvNextConfig(hidden_sizes=[8, 8, 16, 16], depths=[1, 1, 1, 1], num_labels=7, initializer_range=0.5)
    ConvNextForImageClassification(config).save_pretrained(folder)
    ConvNextImageProcessor(size={"shortest_edge": 64}, crop_pct=0.875).save_pretrained(folder)
    return folder


def tiny_swin(folder: Path) -> Path:
    import torch
    from transformers import SwinConfig, SwinForImageClassification, ViTImageProcessor

    torch.manual_seed(0)
    config = SwinConfig(
        image_size=64, embed_dim=16, depths=[1, 1], num_heads=[2, 2], window_size=4, num_labels=4, initializer_range=0.5
    )
    SwinForImageClassification(config).save_pretrained(folder)
    ViTImageProcessor(size={"height": 64, "width": 64}).save_pretrained(folder)
    return folder
