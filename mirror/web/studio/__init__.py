"""The studio: a photo folder is browsed, cleaned and trained on again. On this machine only; imports no torch.

The page around it: mirror/web/workshop.
state.py    the photo folder at one moment: photos, decisions, and what the model says of them
gallery.py  which photos a tab shows
render.py   a view as HTML; studio.js: selecting and keys; studio.css
actions.py  what a click or key decides, written to decisions.csv
retrain_options.py what of a model's recorded options may go on a command line again
retrain.py  train.py's arguments, how far it is, and the error before and after
child_process.py a Python process that ends with the studio: a long run of the workshop, and “try it”
trial_page.py  “try it”: the page with the new model, as a child process
access.py   for its owner only: the token in its address, who is answered, for which addresses
photo_routes.py how photos and thumbnails are served
report_route.py the report for pupils of a model, to download
"""
