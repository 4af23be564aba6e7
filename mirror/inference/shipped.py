"""What is known of the networks that come with this program, by their sha256 and the shape of their input: they need
no trial at the first start. One that is missing here is tried out like any other; tests/inference/test_onnx_trial.py
says what to add after a training.
"""

from __future__ import annotations

SHIPPED: dict[str, dict[str, list[int]]] = {
    "1dac53f722ee5e9a3ee188a3a67f942c7181bc16bc7121d4304a4c54bf94859e-1.3.112.112":
        {"logits": [1, 10], "features": [1, 512], "similarity": [1], "maps": [1, 512, 4, 4]},
    "59f0e473d048162e9fde7e2a4debfe67f15d215c98794334397bf2a2394f424b-1.512.4.4":
        {"heat": [1, 10, 4, 4]},
    "192fef0a0bbce03e377ae6d67c35cdaadc5f027dd20a4cbb535149bfaa239fa3-1.3.288.288":
        {"logits": [1, 2], "features": [1, 1280], "similarity": [1], "maps": [1, 1280, 9, 9]},
    "5bd3ef13e0cba4aa094f4f551cde2120189607abe9481698c649eeb3f45c4c5a-1.1280.9.9":
        {"heat": [1, 2, 9, 9]},
    # tasks/centerface.onnx, of any size
    "ed68016fd724fd197a0a2e4a77f8b6e0dedd22ee5ce0c3cfb6b38775a98f9ee0-1.3.64.64":
        {"537": [1, 1, 16, 16], "538": [1, 2, 16, 16], "539": [1, 2, 16, 16], "540": [1, 10, 16, 16]},
}  # fmt: skip
