"""Ways of seeing, behind one seam: a task is opened lazily, takes upright RGB images, and answers with dataclasses.

    asked.py           what is asked for: a task, a model, labels; the same on the command line, on the page and on Ray
    opening.py         which predictor answers what is asked for
    predictor.py       the seam: sources in, (source, answer) out, in order
    ahead.py           photos decoded before they are needed, within a number and within bytes
    detection.py       what a detector answers: boxes with scores and labels (drawing.py: drawn on the image)
    hub.py             where a transformers model is: in a folder, or on the Hugging Face Hub and in its cache
    classification.py  one label: our models, transformers', and imagenet.py: the general model, which needs no network
    objects.py         what is where: any detector of transformers
    zero_shot.py       your own words: CLIP and its kin, with the words read once (labels.py: as people write them)
    faces.py           where faces are, in two looks (face_networks.py: CenterFace and YuNet on onnxruntime)
"""
