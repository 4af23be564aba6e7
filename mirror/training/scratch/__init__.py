"""A network from random weights, on tens of thousands of small grey images.

    loop.py        the plan, and the training by it: growing images, what is known left out, every epoch kept
    augment.py     images flipped, shifted and partly erased
    memory.py      what a step frees, the next one has
    muon.py        the optimizer
    small_maps.py  what keeps its last layers from being slow
"""
