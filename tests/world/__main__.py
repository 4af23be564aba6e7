"""The test world for a person: `python -m tests.world` serves two searches and prints the command that uses them."""

from __future__ import annotations

import threading

from tests.world import World, draw_photo, encode, near_copy

QUERIES = {"cygnet": "baby swan", "duckling": "duckling"}


def main() -> None:
    with World() as world:
        host = world.photo_host("photos.example")
        for query in QUERIES.values():
            word = query.replace(" ", "-")
            world.results(query, [
                *host.photos(query, 60),
                f"https://photos.example/{word}/missing.jpg",
                host.body(f"/{word}/page.jpg", b"<html>No hotlinking.</html>", content_type="image/jpeg"),
                host.body(f"/{word}/two%20words.jpg", encode(draw_photo(query, 99))),
                host.body(f"/{word}/copy.jpg", encode(near_copy(draw_photo(query, 0)))),
                host.refuses(f"/{word}/busy.jpg", 503, times=1, then=encode(draw_photo(query, 98))),
            ])  # fmt: skip
        searches = " ".join(f"--search '{label}={query}'" for label, query in QUERIES.items())
        print(f"python train.py --proxy {world.proxy_url} --insecure --count 40 {searches}", flush=True)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            print(f"{len(world.requests)} requests were served.")


if __name__ == "__main__":
    main()
