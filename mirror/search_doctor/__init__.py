"""The search-term doctor: what an image search finds for words, seen before it is collected. Imports no torch.

    python train.py --preview --search cygnet="baby swan" --search duckling=duckling

image_embedding.py  a picture → what the packaged ImageNet network sees in it
class_words.py      that network's 1,000 classes as plain words: "waterfowl", "dog"; and words to search with
hit_groups.py       hits → groups of what they show, how much they agree, which are off topic: arithmetic
hits_preview.py     preview: words → hits, thumbnails, groups, warnings; the typed result
contact_sheet.py    that result as one HTML file
exclusions.py       preview.json: groups that are not to be collected, and the judge that collecting asks
"""

from mirror.search_doctor.hits_preview import Preview, PreviewSettings, preview

__all__ = ["Preview", "PreviewSettings", "preview"]
