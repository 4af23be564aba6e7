"""The page without a server: plain files for any static host; the visitor's browser answers. Imports no gradio.

site_files.py       models → the site's files
site_tabs.py        other ways of seeing that a model's page may have beside it
words_tab.py        of these: words of one's own, fixed when the page is published
browser_onnx.py     an int8 network as WebAssembly runs it soonest, with the same answers
model_page.py       what the page knows of one model: how to prepare a photo, and what to say
page/               the JavaScript and CSS of the page, as the browser gets them
ort/                onnxruntime-web (scripts/vendor_onnxruntime_web fetches it)
"""
