"""Photos → a learner that has been judged, and the model folder made of it. Imports torch and fastai.

settings.py          the recipe's settings, each with its reason
recipe.py            the recipe: frozen body, linear probe, fine-tuning
training_data.py     the photos, their labels and groups as numbers
pretrained.py        pretrained weights, from the nearest place that has them
learner.py           fastai learners to train
depth_features.py    a body that gives what all its stages see
architectures.py     the names of networks, known without torch
backbones.py         a network by name → the part before its classifier, whatever family it is of
backbone_choice.py   --arch auto: of the networks at hand the best for these photos
pooled_features.py   a body's features, pooled, of many photos
feature_files.py     features on disk, by photo and network
augmentation.py      the crops and resolutions a photo is seen at
view_features.py     the frozen body's features of every view, computed once, and heads fitted to any part of them
groups.py            photos that belong together, by hashes, pages and features
linear_probe.py      features → the linear head, its strength chosen by cross-validation
depth_choice.py      the last layer's features or those of every depth, by photos that were left out
fine_tuning_plan.py  whether the network is fine-tuned, and for how long
last_layers.py       a network in two parts, of which the last alone is tuned
augmented_features.py  what the first part gives of views of the photos, kept
fine_tuning.py       fine-tuning of the last layers by fastai, from the head that was fitted
fine_tuning_choice.py  how much of fine-tuning ships, by photos that were left out
evaluation.py        error, temperature and doubts of a trained model
metrics.py           error rate with its interval, per-label metrics, confusion, top losses
calibration.py       the temperature that makes probabilities mean what they say
label_issues.py      disputed labels, outliers, look-alikes
build.py             a trained model → models/<name>/, whatever the recipe
photo_model.py       a model trained on photos, as build.py takes it
report_pictures.py   the report's pictures
"""
