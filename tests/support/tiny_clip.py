"""Tiny real models that compare pictures with words, saved as the Hub has them: weights drawn at random, real
tokenizers, real image processors. Their sizes are the smallest; all else is as in the full ones."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from transformers import (
    BertTokenizer,
    ChineseCLIPConfig,
    ChineseCLIPImageProcessor,
    ChineseCLIPModel,
    CLIPConfig,
    CLIPImageProcessor,
    CLIPModel,
    CLIPProcessor,
    CLIPTokenizer,
    MetaClip2Config,
    MetaClip2Model,
    Siglip2Config,
    Siglip2ImageProcessor,
    Siglip2Model,
    Siglip2Tokenizer,
    SiglipConfig,
    SiglipImageProcessor,
    SiglipModel,
    SiglipTokenizer,
)

SIDE, PATCH = 32, 8
TOWER = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
PICTURE = TOWER | {"image_size": SIDE, "patch_size": PATCH}
END = "</w>"  # of a word, in CLIP's vocabulary
WORDS = ("cat", "dog", "photo", "car", "red")  # what the merges spell out; all other words are read letter by letter


def tiny_clip(folder: Path, seed: int = 0) -> Path:
    """A CLIPModel with the tokenizer's files as openai/clip-vit-base-patch32 has them."""
    tokenizer = clip_tokenizer(folder)
    config = CLIPConfig(
        text_config=_clip_text(tokenizer), vision_config=PICTURE | {"projection_dim": 16}, projection_dim=16
    )
    CLIPProcessor(_clip_images(), tokenizer).save_pretrained(folder)
    return _saved(CLIPModel, config, folder, seed)


def tiny_metaclip(folder: Path, seed: int = 0) -> Path:
    """A MetaClip2Model."""
    tokenizer = clip_tokenizer(folder)
    config = MetaClip2Config(
        text_config=_clip_text(tokenizer), vision_config=PICTURE | {"projection_dim": 16}, projection_dim=16
    )
    CLIPProcessor(_clip_images(), tokenizer).save_pretrained(folder)
    return _saved(MetaClip2Model, config, folder, seed)


def _clip_text(tokenizer: CLIPTokenizer) -> dict:
    special = {name: getattr(tokenizer, name) for name in ("bos_token_id", "eos_token_id", "pad_token_id")}
    return TOWER | special | {"vocab_size": len(tokenizer), "max_position_embeddings": 77, "projection_dim": 16}


def _clip_images() -> CLIPImageProcessor:
    return CLIPImageProcessor(size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE})


def clip_tokenizer(folder: Path) -> CLIPTokenizer:
    """CLIP's own byte-level vocabulary, with merges for WORDS alone; saved as vocab.json and merges.txt."""
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    letters = list(bytes_to_unicode().values())
    merges = []
    for word in WORDS:
        spelled = [*word[:-1], word[-1] + END]
        while len(spelled) > 1:
            if (spelled[0], spelled[1]) not in merges:
                merges.append((spelled[0], spelled[1]))
            spelled[:2] = [spelled[0] + spelled[1]]
    vocabulary = letters + [letter + END for letter in letters] + list(dict.fromkeys(map("".join, merges)))
    vocabulary += ["<|startoftext|>", "<|endoftext|>"]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps({token: i for i, token in enumerate(vocabulary)}))
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(map(" ".join, merges)) + "\n")
    return CLIPTokenizer.from_pretrained(folder, model_max_length=77)


def tiny_siglip(folder: Path, seed: int = 0) -> Path:
    """A SiglipModel, which gives each label a probability of its own."""
    tokenizer = siglip_tokenizer(folder)
    config = SiglipConfig(text_config=_siglip_text(tokenizer), vision_config=PICTURE)
    tokenizer.save_pretrained(folder)
    SiglipImageProcessor(size={"height": SIDE, "width": SIDE}).save_pretrained(folder)
    return _saved(SiglipModel, config, folder, seed)


def tiny_siglip2(folder: Path, seed: int = 0) -> Path:
    """A Siglip2Model, which sees a picture in its own proportions."""
    tokenizer = siglip2_tokenizer()
    vision = TOWER | {"patch_size": PATCH, "num_patches": 16}
    config = Siglip2Config(text_config=_siglip_text(tokenizer), vision_config=vision)
    tokenizer.save_pretrained(folder)
    Siglip2ImageProcessor(patch_size=PATCH, max_num_patches=16).save_pretrained(folder)
    return _saved(Siglip2Model, config, folder, seed)


def siglip_tokenizer(folder: Path) -> SiglipTokenizer:
    """A SentencePiece model, as the first SigLIP has it."""
    import sentencepiece

    folder.mkdir(parents=True, exist_ok=True)
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([" ".join(WORDS), "a photo of the quick brown fox that jumps over a lazy dog"] * 20),
        model_prefix=str(folder / "spiece"), vocab_size=60, hard_vocab_limit=False, minloglevel=2,
        pad_id=0, eos_id=1, unk_id=2, bos_id=-1,
    )  # fmt: skip
    return SiglipTokenizer(str(folder / "spiece.model"), model_max_length=64)


def siglip2_tokenizer() -> Siglip2Tokenizer:
    special = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>"]
    merges = []
    for word in WORDS:
        merges += [(word[:size], word[size]) for size in range(1, len(word)) if (word[:size], word[size]) not in merges]
    vocabulary = special + [*"\u2581abcdefghijklmnopqrstuvwxyz"] + list(dict.fromkeys(map("".join, merges)))
    return Siglip2Tokenizer({token: i for i, token in enumerate(vocabulary)}, merges, model_max_length=64)


def _siglip_text(tokenizer: SiglipTokenizer | Siglip2Tokenizer) -> dict:
    special = {"pad_token_id": tokenizer.pad_token_id, "eos_token_id": tokenizer.eos_token_id, "bos_token_id": None}
    return TOWER | special | {"vocab_size": len(tokenizer), "max_position_embeddings": 64}


def tiny_chinese_clip(folder: Path, seed: int = 0) -> Path:
    """A ChineseCLIPModel: BERT reads the words."""
    folder.mkdir(parents=True, exist_ok=True)
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS, *"猫狗红车", *"abcdefghijklmnopqrstuvwxyz"]
    tokens += [f"##{letter}" for letter in "abcdefghijklmnopqrstuvwxyz"]
    (folder / "vocab.txt").write_text("\n".join(tokens) + "\n", encoding="utf-8")
    tokenizer = BertTokenizer(str(folder / "vocab.txt"), model_max_length=52)
    text = TOWER | {"vocab_size": len(tokenizer), "max_position_embeddings": 64, "pad_token_id": 0}
    config = ChineseCLIPConfig(text_config=text, vision_config=PICTURE, projection_dim=16)
    tokenizer.save_pretrained(folder)
    ChineseCLIPImageProcessor(
        size={"height": SIDE, "width": SIDE}, crop_size={"height": SIDE, "width": SIDE}
    ).save_pretrained(folder)
    return _saved(ChineseCLIPModel, config, folder, seed)


def _saved(kind: type, config: object, folder: Path, seed: int) -> Path:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = kind(config).eval()
        for parameter in model.parameters():  # far from the initial zeros and tiny values, so that answers differ
            if parameter.dim() > 1:
                torch.nn.init.normal_(parameter, std=0.2)
    model.save_pretrained(folder)
    return folder


def taught_clip(folder: Path, photos: dict[str, Image.Image], steps: int = 80) -> Path:
    """A tiny CLIP that has seen these photos under these labels (and nothing else of the world), by CLIP's own loss."""
    tiny_clip(folder)
    model, processor = CLIPModel.from_pretrained(folder), CLIPProcessor.from_pretrained(folder)
    words = processor.tokenizer(list(photos), padding=True, return_tensors="pt")
    draw = random.Random(0)
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    for _ in range(steps):
        crops = [_crop(photo, draw) for photo in photos.values()]
        pixels = processor.image_processor(crops, return_tensors="pt")
        optimizer.zero_grad()
        model(**words, **pixels, return_loss=True).loss.backward()
        optimizer.step()
    model.eval().save_pretrained(folder)
    return folder


def _crop(photo: Image.Image, draw: random.Random) -> Image.Image:
    """Most of the photo, as likely as not mirrored."""
    width, height = (int(side * draw.uniform(0.7, 1)) for side in photo.size)
    left, top = draw.randint(0, photo.width - width), draw.randint(0, photo.height - height)
    crop = photo.crop((left, top, left + width, top + height))
    return crop.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if draw.random() < 0.5 else crop


CARS = tuple(
    f"{make} {model} {2000 + number % 13}"
    for number, make in enumerate(("Acura", "Audi", "BMW", "Chevrolet", "Dodge", "Ford", "Hyundai"))
    for model in (f"{body} {size}" for body in ("Sedan", "Coupe", "SUV", "Convertible") for size in range(1, 8))
)  # 196, as many as the article's, and as long


def picture(seed: int, size: tuple[int, int] = (90, 60)) -> Image.Image:
    """A few soft spots of colour, different for each seed."""
    small = np.random.default_rng(seed).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    return Image.fromarray(small).resize(size, Image.Resampling.BICUBIC)


def saved(image: Image.Image, path: Path) -> Path:
    image.save(path)
    return path
