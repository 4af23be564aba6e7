"""The page's tabs: the trained model's, and a module a task, as in `python -m mirror predict --task …`.

mirror_tab.py  the tab of the trained model
live_tab.py    the same while the camera looks
task_tabs.py   the tasks, in the order of the page
task_models.py the tasks' models, opened when first asked for and then kept
handlers.py    a photo is shown, then answered; an error is a sentence: the same in every tab
image_classification_tab.py  what is this? one of 1,000 everyday things
object_detection_tab.py      what is where? counts, boxes on the photo, a table, the slider
face_detection_tab.py        where are faces? on a photo and before the camera
camera.py, camera.js         what the camera sees, answered as it looks
zero_shot_tab.py             which of your own words?
"""
