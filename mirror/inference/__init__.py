"""A model folder → probabilities, on onnxruntime, Pillow and numpy alone: neither torch nor fastai is imported here.

preprocess.py                 an upright RGB image → the network's pixels, as fastai makes them
padding.py                    … of a photo that is padded to a frame, without the frame
session.py                    the network: pixels → logits, features, similarity
grad_cam.py                   where in a photo an answer came from, and a picture of it
classifier.py                 Classifier: images in, Predictions out; whether a photo is like those it learned from
pickle_cache.py               a plain learner pickle → a model folder, once, in a process of its own
onnx_check.py, onnx_trial.py  a network from anywhere: its bytes are looked at, then it is run once where limits hold
onnx_weights.py               a large network is mapped, not read
pickle_scan.py                what a learner pickle names, read without running it
pickle_allowlist.py           the names that learner pickles may hold
learner_refusals.py           why one is not served, in sentences that hold nothing of it
sandbox.py                    a process with limits, without secrets and network
landlock.py                   … and without leave to read or change files elsewhere
user_cache.py                 what was worked out once, and whose word is believed
"""
