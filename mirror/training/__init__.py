"""Photos → a learner that has been judged, and the model folder made of it. Imports torch and fastai.

pretrained.py     pretrained weights, from the nearest place that has them
augmentation.py   the crops, flips and resolutions a photo is seen at
features.py       the frozen body's features of every view, computed once
feature_cache.py  what the frozen body sees of the photos, and heads fitted to any part of it
linear_probe.py   features → the linear head, its strength chosen by cross-validation
folds.py          photos in folds, each left out in turn
learner.py        fastai learners to train
fine_tuning.py    fine-tuning of the whole network
recipe.py         the recipe: frozen body, head, fine-tuning
metrics.py        error rate with its interval, per-label metrics, confusion, top losses
calibration.py    the temperature that makes probabilities mean what they say
label_issues.py   disputed labels, outliers, near-duplicates
evaluation.py     error, temperature and doubts of a trained model
ood_threshold.py  that, fitted to the network that ships and put into it
report.py         the report's pictures
model_card.py     the model card
build.py          all of it into models/<name>/
"""
