"""Fashion-MNIST: 70,000 product pictures of ten kinds of garment, 28 px, and a network trained on them from scratch.

dataset.py     where the set lies, its arrays, and which images are held out
training.py    the training: images → a network with random weights no longer
learner.py     that network as a fastai learner
loop.py        a network from random weights, by growing images, what is known left out, every epoch kept
augment.py     images flipped, shifted and partly erased
muon.py        the optimizer
memory.py      what a step frees, the next one has
small_maps.py  what keeps its last layers from being slow
plugin.py      all that the rest of the project knows of it
garment.py     a product photo → the picture that the set would have of it, for serving
build.py       all of it into models/<name>/, judged once by the 10,000 test images
"""
