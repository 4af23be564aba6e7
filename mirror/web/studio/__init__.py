"""The studio: a photo folder is browsed and cleaned. On this machine only; imports no torch.

The page around it: mirror/web/workshop.
state.py    the photo folder at one moment: photos, decisions, and what the model says of them
gallery.py  which photos a tab shows
render.py   a view as HTML; studio.js: selecting and keys; studio.css
actions.py  what a click or key decides, written to decisions.csv
photo_routes.py how photos and thumbnails are served
"""
