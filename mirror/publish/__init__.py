"""A model folder → a Space, a model repository and a data set repository of the Hugging Face Hub. Imports no torch.

published_files.py     the files of what is published: paths and contents, hashed, written to a folder
published_model.py     a model as others get it: without photos that are not ours to publish, and a card that says so
published_photos.py    photos without what a camera wrote beside their pixels
serving_modules.py     which modules and files of this package the page needs, found by what they import
space_card.py          the README of a Space: front matter and text
space_gradio.py        the Gradio Space, on free CPU or on ZeroGPU
space_container.py     the page as a container, and a Docker Space
space_static.py        the page without a server
model_repository.py    the model repository: fastai's, transformers.js's and this project's ways to open it
dataset_repository.py  the data set repository: the list of photos, and the photos where they may go
content_checks.py      what must hold before anything is sent: README rules, sizes, secrets, photos
requirement_check.py   whether a Space's builder can install what the Space asks for
account.py             who publishes, and what that account may host
hub_login.py           logging in by huggingface_hub's own login, and who is logged in
hub_refusals.py        what the Hub refuses, as one sentence each
repository_name.py     what the repositories are called
repository_commit.py   files → one commit on a known parent, or none where they are there already
space_trial.py         waits until a Space runs, asks it an example and compares
publication.py         all of it, in order
publication_record.py  what was published of a model, and where
"""
