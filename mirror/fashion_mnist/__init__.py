"""Fashion-MNIST: 70,000 product pictures of ten kinds of garment, 28 px, and a network trained on them from scratch.

plugin.py            all that the rest of the project knows of it
garment.py           a product photo → the picture that the set would have of it, for serving
dataset.py           where the set lies, its arrays, and which images are held out
fashion_settings.py  the settings of the training, and the schedule that they make
from_scratch.py      images → a network with random weights no longer, every epoch kept
muon.py              the optimizer
fashion_model.py     that network as a model folder, judged once by the 10,000 test images
"""
