"""The page's other tabs, a module a task: the same tasks as `python -m mirror predict --task …`, in the browser.

    tabs.py       all of them, in the order of the page
    opened.py     the tasks' models, opened when first asked for and then kept
    asking.py     a photo is shown, then answered; an error is a sentence: the same in every tab
    general.py    what is this? one of 1,000 everyday things
    objects.py    what is where?
    faces.py      where are faces? on a photo and, with camera.py and camera.js, in front of the camera
    found.py      what detectors found: counts, boxes on the photo, a table, the slider
    zero_shot.py  which of your own words?
"""
