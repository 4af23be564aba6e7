"""Photos → a learner that has been judged, and the model folder made of it. Imports torch and fastai.

    weights.py     pretrained weights, from the nearest place that has them
    views.py       the crops, flips and resolutions a photo is seen at
    features.py    the frozen body's features of every view, computed once
    frozen.py      what the frozen body sees of the photos, and heads fitted to any part of it
    head.py        features → the linear head, its strength chosen by cross-validation
    folds.py       photos in folds, each left out in turn
    learner.py     fastai learners to train
    tuning.py      fine-tuning of the whole network
    finetune.py    the recipe: frozen body, head, fine-tuning
    evaluate.py    error rate with its interval, per-label metrics, confusion, top losses
    calibrate.py   the temperature that makes probabilities mean what they say
    noise.py       disputed labels, outliers, near-duplicates
    verdict.py     error, temperature and doubts of a trained model
    similarity.py  how alike photos must be to the training photos to be known
    novelty.py     that, fitted to the network that ships and put into it
    report.py      the report's pictures
    card.py        the model card
    export/        learner.pkl → model.onnx and its like
    build.py       all of it into models/<name>/
    scratch/       a network from random weights
    fashion/       Fashion-MNIST: from the set to models/<name>/
"""
