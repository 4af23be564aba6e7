"""Encoded bytes → pixels, within a budget of memory and time whatever the bytes are. `mirror.images` is the way in.

limits.py       what one photo may cost, and a header's account of it
headers.py      what a file is and would cost, before any decoder sees it
jpeg.py         … a JPEG: segments, sampling, scans
tiff.py         … a TIFF: directories, tags and what they claim
containers.py   … PNG, WebP, GIF, BMP, PPM, HEIF, AVIF: chunks, blocks, boxes
orientation.py  which way up, without reading all of EXIF
pixels.py       any mode → upright RGB, a band of rows at a time
decode.py       Pillow's plugins, the same here and in a worker
refusals.py     why a photo is not decoded, in a sentence each
budget.py       the memory that all decoders of this process share
worker.py       the process that decodes what cannot be bounded in advance
pool.py         … started, watched, ended and replaced
"""
