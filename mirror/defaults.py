"""What the command and the workshop both go by: how many photos are asked for, and which packages work needs beside
those of requirements.txt, by their top-level modules."""

COUNT = 100  # usable photos of each label, where nobody says how many
PREVIEWING = ("ddgs", "sklearn", "imagehash")
COLLECTING = ("ddgs", "imagehash")
TRAINING = ("torch", "torchvision", "fastai", "timm", "sklearn", "matplotlib", "onnx", "imagehash", "ddgs")
