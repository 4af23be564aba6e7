"""The article's page, to be measured against: fastai's learner behind gr.Interface, as its main file has it.

    python benchmarks/serving/article_app.py learner.pkl 7861

Only what gradio has renamed since is changed, and the examples, title and texts are left out, which makes it quicker.
"""

import sys

import gradio as gr
from fastai.vision.learner import load_learner

LEARN = load_learner(sys.argv[1])


def classify_image(image):
    _, _, probs = LEARN.predict(image)
    return dict(zip(LEARN.dls.vocab, map(float, probs), strict=True))


app = gr.Interface(
    fn=classify_image,
    inputs=gr.components.Image(),
    outputs=gr.components.Label(),
    flagging_mode="never",
    api_name="predict",
)

app.launch(server_port=int(sys.argv[2]))
