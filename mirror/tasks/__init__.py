"""Ways of seeing, behind one seam: a task is opened lazily, takes upright RGB images, and answers with dataclasses.

asked.py      what is asked for: a task, a model, labels; the same on the command line, on the page and on Ray
predictor.py  the seam: sources in, (source, answer) out, in order
detection.py  what a detector answers: boxes with scores and labels
opening.py    which predictor answers what is asked for
"""
