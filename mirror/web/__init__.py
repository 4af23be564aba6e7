"""The page. Imports neither torch nor fastai.

page.py      lays it out: its question, the picker, the tabs
mirror_api.py the tab of the trained model (tabs/mirror_tab.py), for programs
photo_fields.py a photo or its address, and the button: the same in every tab
about.py     the note on a model, or what to do where there is none
heat_map.py  where it looked: the button, and the picture
link_preview.py what a chat shows of a link to it
served_models.py  the models that the page offers, each opened once
model_picker.py … and the list to choose from
examples.py  the pictures that a visitor can click
photo_input.py careful with visitors: their photos reach our decoder untouched, and nothing is kept
uploads.py   the one reader of what a visitor sends as a photo
data_url.py  … and data: URLs, decoded piece by piece
arguments.py the arguments of a request: checked, completed, or refused in one sentence
fair_scheduling.py turns, fair among visitors: fetching, decoding and the models have lines of their own
gradio_queue.py  gradio's queue: a few requests a visitor, and nothing kept that nobody reads
failures.py  what nobody foresaw: a sentence for the visitor, a line for the log
gradio_blocks.py  gr.Blocks whose requests end in an answer or one sentence, and whose log holds nothing of them
retention.py the folder of visitors' files, swept by age as long as the process runs
gateway/     what stands between the network and gradio: open routes, limits, headers, uploads
theme.py     colours, fonts and page.css
gradio_patches.py gradio without what the page has no use for
tabs/        the other tabs, a module a task
studio/      the other page: a photo folder is browsed, cleaned and trained on again
"""
