"""Words, a folder or a photo list → a folder of photos, each with where it came from.

photo_records.py    Origin, Photo, Rejection: the rows of metadata.csv and rejected.csv
search_types.py     SearchTerm and what else a search is made of
engines.py          duckduckgo_search, ddgs on DuckDuckGo, ddgs on Bing
search.py           SearchTerm → pages of hits, through engines tried in order; their cache on disk
download.py         URLs → bytes, many at once, politely, in order; their cache on disk
search_json.py      search.json: the words that a folder is searched with
screening.py        is a photo fit to train on?
near_duplicates.py  is it a copy of a known one? perceptual hashes, and how near is near
copies.py           what becomes of copies, in a search and in photos that a person has labelled
label_names.py      what may be a label, and the name of its folder
photo_folder.py     the photo folder: images/, metadata.csv, rejected.csv
splits.py           training and validation photos
corrections.py      decisions.csv: photos relabelled, removed and restored by hand; the photo folder as corrected
own_photos.py       photos that a person adds to a label by hand
issue_files.py      what training found out about single photos: suspects.csv, predictions.csv
from_search.py      collect_by_search: the loop from words to a full folder
from_folder.py      collect_from_folder: a folder of label folders
folder_layout.py    … which of its files are photos of which label
from_photo_list.py  collect_from_photo_list: a model's photos.csv again; open_collected: a photo folder as it lies there
other_photos.py     read_others: photos of none of the labels
"""

from mirror.collect.from_folder import collect_from_folder
from mirror.collect.from_photo_list import PhotoListReport, collect_from_photo_list, open_collected
from mirror.collect.from_search import collect_by_search
from mirror.collect.photo_folder import PhotoFolder
from mirror.collect.photo_records import Origin, Photo, Rejection
from mirror.collect.search_types import SearchTerm
from mirror.collect.splits import assign_splits

__all__ = [
    "Origin",
    "Photo",
    "PhotoFolder",
    "PhotoListReport",
    "Rejection",
    "SearchTerm",
    "assign_splits",
    "collect_by_search",
    "collect_from_folder",
    "collect_from_photo_list",
    "open_collected",
]
