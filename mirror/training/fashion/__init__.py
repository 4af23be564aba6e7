"""Fashion-MNIST: 70,000 product pictures of ten kinds of garment, 28 px, and a network trained on them from scratch.

dataset.py  where the set lies, its arrays, and which images are held out
recipe.py   the training: images → a network with random weights no longer
learner.py  that network as a fastai learner
build.py    all of it into models/<name>/, judged once by the 10,000 test images
"""
