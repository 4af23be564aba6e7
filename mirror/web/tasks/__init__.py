"""The page's other tabs, a module a task: the same tasks as `python -m mirror predict --task …`, in the browser.

tabs.py       all of them, in the order of the page
opened.py     the tasks' models, opened when first asked for and then kept
general.py    what is this? one of 1,000 everyday things
objects.py    what is where?
zero_shot.py  which of your own words?
faces.py      where are faces? on a photo and in front of the camera
"""
