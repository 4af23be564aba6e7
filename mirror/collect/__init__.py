"""Words, a folder or a recipe → a folder of photos, each with where it came from.

search_types.py     SearchTerm, ImageHit and what else a search is made of
engines.py          duckduckgo_search, ddgs on DuckDuckGo, ddgs on Bing
search.py           SearchTerm → pages of ImageHits, through engines tried in order
download.py         hits → bytes, many at once, politely, in order
download_cache.py   downloads that wait for their row, on disk
search_cache.py     search pages on disk, so that no search is made twice
screening.py        fit to train on? seen before?
duplicate_index.py  what a photo folder holds already, by content
photo_folder.py     the photo folder: images/, metadata.csv, rejected.csv
metadata.py         the rows of those files; label_names.py: a label's folder
splits.py           training and validation photos
issue_files.py      what training found out about single photos: suspects.csv, predictions.csv
corrections.py      decisions.csv: photos relabelled, removed and restored by hand; nothing is ever lost
corrected.py        the photo folder as these decisions make it
from_search.py      collect_by_search: the loop from words to a full folder
from_folder.py      collect_from_folder: a folder of label folders
others.py           read_others: photos of none of the labels
from_photo_list.py  collect_from_photo_list: a model's photos.csv again
from_collected.py   open_collected: a photo folder as it lies there
progress.py         how far a label's photos have come
"""

from mirror.collect.from_collected import open_collected
from mirror.collect.from_folder import collect_from_folder
from mirror.collect.from_photo_list import PhotoListReport, collect_from_photo_list
from mirror.collect.from_search import collect_by_search
from mirror.collect.metadata import Photo, Rejection
from mirror.collect.photo_folder import PhotoFolder
from mirror.collect.search_types import ImageHit, SearchTerm
from mirror.collect.splits import assign_splits

__all__ = [
    "ImageHit",
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
