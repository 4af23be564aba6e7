"""Folders of any size → a file of answers: streamed, with flat memory, and resumed after a kill without losing a row.

    job.py              what was asked for, and how it is done; two runs that ask the same are one job
    checkpoint.py       a job's hidden folder beside --out: its lock, its list of images, the rows answered so far
    ray_engine.py       the same answers from the workers of a Ray cluster, in order
    ray_cluster.py      … which is one of this machine alone, or a running one
    summary.py          rows → counts and mean scores a label a folder, as a table and as a picture
    place_map.py        rows with coordinates → a picture of which label was found where
    exif.py             when and where a photo was taken, as its camera wrote it
    writers.py          answers written down: a table, jsonl, csv, parquet

What answers is a function from images to (image, answer) in the same order: this machine's predictor, or a cluster.
"""
