"""learner.pkl → model.onnx, and everything else that serving needs, checked against the learner's own answers.

    compile.py     all of it for a learner pickle, alone or into a model folder
    pixels.py      its preprocessing, read off its transforms
    parity.py      the network's answers compared with the learner's
    graph.py       edits of model.onnx: fixed shapes as constants, the novelty bank
    heat.py        the output of model.onnx that tells where in a photo an answer came from
    quantize.py    model.onnx in 8-bit integers
    stem.py        the first convolution of those, over blocks of pixels
    gates.py       whether those ship
    restricted.py  a pickle opened without leave to run anything but what a learner needs
    worker.py      compile.py in a confined process
    imagenet.py    timm's EfficientNet-Lite0 with ImageNet weights, as a model folder
"""
