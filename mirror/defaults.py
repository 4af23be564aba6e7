"""What the command and the workshop both go by: how many photos are asked for, which packages work needs beside
those of requirements.txt, by their top-level modules, and which numbers an option takes."""

COUNT = 100  # usable photos of each label, where nobody says how many
PREVIEWING = ("ddgs", "sklearn", "imagehash")
COLLECTING = ("ddgs", "imagehash")
TRAINING = ("torch", "torchvision", "fastai", "timm", "sklearn", "matplotlib", "onnx", "imagehash", "ddgs")
# From and to, of numbers that train.py is given
SEEDS = (0, 2**32 - 1)  # what numpy and scikit-learn take
SIZES = (16, 1024)  # px of a network's input: the largest that timm's networks were trained at
EPOCHS = (0, 10_000)
FOLDS = (2, 1_000)
