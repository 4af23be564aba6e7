"""The page in an environment that holds requirements.txt alone: a visitor's photo is answered, without torch.

python .ci/requirements_alone.py      from the checkout; ends with 0 where all of it holds
"""

import importlib.util
import os
import re
import subprocess
import sys

from gradio_client import Client, handle_file

for name in ("torch", "sklearn", "scipy", "transformers", "fastai", "onnx", "matplotlib", "pyarrow"):
    assert importlib.util.find_spec(name) is None, f"requirements.txt installs {name}"
command = [sys.executable, "app.py", "--host", "127.0.0.1"]
variables = os.environ | {"HF_HUB_OFFLINE": "1", "PYTHONUNBUFFERED": "1"}
page = subprocess.Popen(command, env=variables, stdout=subprocess.PIPE, text=True)
try:
    assert page.stdout is not None
    url = next(found[0] for line in page.stdout if (found := re.search(r"http://\S+", line)))
    client = Client(url, verbose=False)
    answer = client.predict(handle_file("examples/duckling.jpg"), api_name="/predict")
    assert answer["label"] == "duckling", answer
    answer = client.predict(handle_file("examples/garments/bag.jpg"), "fashion", api_name="/predict")
    assert answer["label"] == "Bag", answer
    assert client.predict(handle_file("examples/duckling.jpg"), api_name="/face-detection") == []
finally:
    page.terminate()
    page.wait(60)
print(f"The page answers with requirements.txt alone, on Python {sys.version.partition(' ')[0]}.")
