"""The workshop: from words or photos to a model, a step at a time, on this machine only. `app.py --studio`.

projects.py       a name → its photo folder, its model, the commands that run for it: what lies there, and no state else
long_run.py       a command that takes long, as a child process: started, watched, cancelled
child_process.py  a Python process that ends with the workshop: a long run, and “try it”
access.py         for its owner only: the token in its address, who is answered, for which addresses
step.py           what a step is given: its project, how its parts are heard and drawn; step.js
workshop_page.py  the page: start page, steps as tabs, the project in the address; workshop_page.js, workshop.css
start_page.py     a card a project
begin_step.py     words, photos of one's own, the camera; begin.js (photos.js: files and the camera, with try.js)
search_form.py    the words of a project: a form's, and search.json's
prerequisites.py  what this machine lacks, and what works all the same
preview_step.py   what a search finds, in groups that can be left out, and better words
collected.py      how far a photo folder is filled: by label, and what was left out
collect_step.py   the words are searched: photos as they arrive; pause, go on, more
training_choices.py  what may be chosen before a training, in plain words
train_step.py     train.py on the photos as decided; how far it is, and what came of it
retrain.py        train.py's arguments, how far it is, and the error before and after
retrain_options.py  what of a model's recorded options may go on a command line again
report_route.py   the report for pupils of a model, to download
try_step.py       a photo meets the model, and is added to a label where the answer is wrong; try.js
history_step.py   the models that the model has replaced, and one of them put back
trial_page.py     “try it”: the page with the new model, as a child process
clean_step.py     the board of photos (mirror/web/studio)
publish_step.py   who is logged in at the Hub, what goes there, and its address; publish_choices.py: as a command line
"""
