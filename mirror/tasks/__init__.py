"""Ways of seeing, behind one seam: a task is opened lazily, takes upright RGB images, and answers with dataclasses.

request.py               what is asked for: a task, a model, labels
registry.py              which predictor answers what is asked for
predictor.py             the seam: sources in, (source, answer) out, in order; photos decoded before they are needed
detection.py             what a detector answers: boxes with scores and labels (drawing.py: drawn on the image)
hub.py                   where a transformers model is: in a folder, or on the Hugging Face Hub and in its cache
processors.py            a photo → what a network of the Hub is shown
image_classification.py  one label: our models, transformers', and the general one (imagenet.py)
object_detection.py      what is where: any detector of transformers
zero_shot.py             your own words: CLIP and its kin (label_input.py: words as people write them)
face_detection.py        where faces are, in two looks (face_networks.py: CenterFace and YuNet on onnxruntime)
"""
