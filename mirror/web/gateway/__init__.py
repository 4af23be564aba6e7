"""What stands between the network and gradio: an ASGI layer that lets through what the page needs, and nothing else.

middleware.py  the layer itself: each request passes it first, each answer last
routes.py    which of gradio's addresses and methods are open, and how large a body each may have
client_address.py  whose request it is
bodies.py    a body is received within limits of size, time and number before gradio sees any of it
inline_photos.py  a photo within JSON goes to the disk as it comes in
disk.py      how much of the disk visitors' files may take
response_cache.py what is the same for everybody, made once
upload_routes.py visitors' files: received, shown back, and the progress of that, in place of gradio's own routes
security_headers.py what every answer says to the browser, and whose pages may ask
refusal.py   a request that is turned down: a status and one sentence
connection_limits.py time limits for connections, which uvicorn has none of
"""
