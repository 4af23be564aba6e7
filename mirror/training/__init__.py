"""Photos → a learner that has been judged, and the model folder made of it. Imports torch and fastai.

    weights.py     pretrained weights, from the nearest place that has them
    views.py       the crops, flips and resolutions a photo is seen at
    features.py    the frozen body's features of every view, computed once
    head.py        features → the linear head, its strength chosen by cross-validation
    finetune.py    the recipe: DataBlock, learner, head, fine-tuning
    evaluate.py    error rate with its interval, per-label metrics, confusion, top losses
    similarity.py  how alike photos must be to the training photos to be known
    report.py      the report's pictures
    card.py        the model card
    export.py      learner.pkl → model.onnx (pixels.py reads its preprocessing), parity.py compares it with the learner
    graph.py       edits of model.onnx: fixed shapes as constants, the novelty bank
    quantize.py    model.onnx in 8-bit integers
    gates.py       whether those ship
    build.py       all of it into models/<name>/
"""
