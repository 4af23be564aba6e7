"""Words, a folder or a recipe → a folder of photos, each with where it came from.

    hits.py       SearchTerm, ImageHit and what else a search is made of
    engines.py    duckduckgo_search, ddgs on DuckDuckGo, ddgs on Bing
    search.py     SearchTerm → pages of ImageHits, through engines tried in order
    download.py   hits → bytes, many at once, politely, in order
    spool.py      downloads that wait for their row, on disk
    pages.py      search pages on disk, so that no search is made twice
    screen.py     fit to train on? seen before?
    seen.py       what a photo folder holds already, by content
    dataset.py    the photo folder: images/, metadata.csv, rejected.csv
    rows.py       the rows of those files; labels.py: a label's folder
    splits.py     training and validation photos
    suspects.py   what training found out about single photos: suspects.csv, predictions.csv
    decisions.py  decisions.csv: photos relabelled, removed and restored by hand; nothing is ever lost
    decided.py    the photo folder as these decisions make it
    gather.py     gather_by_search: the loop from words to a full folder
    local.py      gather_from_directory: a folder of label folders
    others.py     read_others: photos of none of the labels
    recipe.py     gather_from_recipe: a model's photos.csv again
    collected.py  open_collected: a photo folder as it lies there
    progress.py   how far a label's photos have come
"""

from mirror.collect.collected import open_collected
from mirror.collect.dataset import PhotoFolder
from mirror.collect.gather import gather_by_search
from mirror.collect.hits import ImageHit, SearchTerm
from mirror.collect.local import gather_from_directory
from mirror.collect.recipe import RecipeReport, gather_from_recipe
from mirror.collect.rows import Photo, Rejection
from mirror.collect.splits import assign_splits

__all__ = [
    "ImageHit",
    "Photo",
    "PhotoFolder",
    "RecipeReport",
    "Rejection",
    "SearchTerm",
    "assign_splits",
    "gather_by_search",
    "gather_from_directory",
    "gather_from_recipe",
    "open_collected",
]
