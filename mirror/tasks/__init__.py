"""Ways of seeing, behind one seam: a task is opened lazily, takes upright RGB images, and answers with dataclasses.

request.py               what is asked for: a task, a model, labels
registry.py              which predictor answers what is asked for
predictor.py             the seam: sources in, (source, answer) out, in order; photos decoded before they are needed
detections.py            what a detector answers: boxes with scores and labels (drawing.py: drawn on the image)
hub_models.py            where a model of the Hub is: in a folder, or on the Hugging Face Hub and in its cache
hub_client.py, hub_layout.py   what the Hub and its cache are asked for; the names of a model's files
hub_errors.py            what goes wrong there, as sentences
hub_onnx.py              a network of the Hub in ONNX (image_processors.py: a photo → what it is shown)
transformers_models.py   … and without an ONNX form, by transformers and torch
image_classification.py  one label: our models, the Hub's, and the general one (imagenet.py)
object_detection.py      what is where: any detector of the Hub
zero_shot.py             your own words: CLIP and its kin (image_text_towers.py: its two halves; label_input.py: words
                         as people write them)
face_detection.py        where faces are, in two looks (face_networks.py: CenterFace and YuNet on onnxruntime)
"""
