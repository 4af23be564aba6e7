"""learner.pkl → model.onnx, and everything else that serving needs, checked against the learner's own answers.

onnx_export.py           all of it for a learner pickle, alone or into a model folder
learner_transforms.py    its preprocessing, read off its transforms
parity.py                the network's answers compared with the learner's
graph.py                 edits of model.onnx: fixed shapes as constants, the novelty bank
grad_cam_export.py       the output of model.onnx that tells where in a photo an answer came from
novelty.py               how alike photos must be to the training photos to be known
quantize.py              model.onnx in 8-bit integers
int8_sums.py             … what of it is float32, so that every machine gives the same bits
int8_gate.py             whether those ship
hub_export.py            a model of the Hub for torch → the Hub's layout for ONNX
hub_parity.py            … its answers compared with transformers' own pipeline
hub_precision.py         … in fewer bits, where that changes its answers little enough
restricted_unpickler.py  a pickle read without running it: networks, numbers, and descriptions of the rest
pickled_tensors.py       … its tensors, and the weights beside it
learner_opening.py       a learner pickle → its learner, run or only read
learner_parts.py         … the descriptions, of which a learner is made anew
audit_hook.py            Python itself refuses what compiling never does
compile_child.py         onnx_export.py in a confined process
"""
