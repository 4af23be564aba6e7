"""Nothing is reported to anyone: the switches of every library that would, set before any of them is imported.

`import mirror` sets them, so that no module here, no child process and no worker of a Ray cluster can be without them:
a library reads its switch when it is imported, and whatever imports one here is in this package. They overrule what
the environment says, and they reach every process that is started from here.

    onnxruntime        ORT_DISABLE_TELEMETRY        since 1.29 sends events to Microsoft, and keeps them in ~/.cache
    gradio             GRADIO_ANALYTICS_ENABLED     asks api.gradio.app for its newest version, and says what a page has
    huggingface_hub    HF_HUB_DISABLE_TELEMETRY     names the program in requests; transformers, timm, datasets go by it
    hf_xet             HF_XET_TELEMETRY_ENABLED     sends how transfers went
    ray                RAY_USAGE_STATS_ENABLED      sends how a cluster is used
    any other          DO_NOT_TRACK                 the convention that several libraries follow (huggingface_hub too)

The names were found by looking through every installed package, its compiled libraries included. fastai, torch, timm,
numpy, Pillow, matplotlib, pyarrow and httpx report nothing. Standard library only.
"""

from __future__ import annotations

import os

SWITCHES = {
    "ORT_DISABLE_TELEMETRY": "1",
    "GRADIO_ANALYTICS_ENABLED": "False",  # gradio compares it with "True"
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_XET_TELEMETRY_ENABLED": "false",
    "RAY_USAGE_STATS_ENABLED": "0",
    "DO_NOT_TRACK": "1",
}


def report_nothing() -> None:
    """Sets the switches for this process and those that it starts."""
    os.environ.update(SWITCHES)
